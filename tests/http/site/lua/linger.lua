-- SPDX-License-Identifier: Apache-2.0
-- Takes ?ms= milliseconds as compute.lua does, but leaves the processor to others:
-- it sleeps, and computes little in between.
local LONGEST = 20000

function handle(r)
    local wanted = tonumber((r.args or ""):match("ms=(%d+)"))
    local last, done, sum = r:clock(), 0, 0
    repeat
        for i = 1, 5000 do
            sum = (sum + i * i) % 1000003
        end
        r.usleep(10000)
        local now = r:clock()
        done = done + math.min(now - last, LONGEST)
        last = now
    until done >= wanted * 1000
    r.content_type = "text/html"
    r:puts("<html><body><p>sum ", tostring(sum), "</p></body></html>\n")
    return apache2.OK
end
