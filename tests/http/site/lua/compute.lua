-- SPDX-License-Identifier: Apache-2.0
-- Computes for about ?ms= milliseconds (1000 unless told) of wall time, of which
-- a moment that the machine stands still is no more than LONGEST microseconds.
local LONGEST = 20000

function handle(r)
    local wanted = tonumber((r.args or ""):match("ms=(%d+)")) or 1000
    local last, done, sum = r:clock(), 0, 0
    repeat
        for i = 1, 20000 do
            sum = (sum + i * i) % 1000003
        end
        local now = r:clock()
        done = done + math.min(now - last, LONGEST)
        last = now
    until done >= wanted * 1000
    r.content_type = "text/html"
    r:puts("<html><body><p>sum ", tostring(sum), "</p></body></html>\n")
    return apache2.OK
end
