-- SPDX-License-Identifier: Apache-2.0
-- Computes for about ?ms= milliseconds (1000 unless told) of wall time.
function handle(r)
    local wanted = tonumber((r.args or ""):match("ms=(%d+)")) or 1000
    local stop = r:clock() + wanted * 1000
    local sum = 0
    repeat
        for i = 1, 20000 do
            sum = (sum + i * i) % 1000003
        end
    until r:clock() >= stop
    r.content_type = "text/html"
    r:puts("<html><body><p>sum ", tostring(sum), "</p></body></html>\n")
    return apache2.OK
end
