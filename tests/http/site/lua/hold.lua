-- SPDX-License-Identifier: Apache-2.0
-- Computes until there is a file ?until=path, and at most for a minute.
function handle(r)
    local path = (r.args or ""):match("until=([^&]+)")
    local stop = r:clock() + 60000000
    r.content_type = "text/html"
    r:puts("<html><body><p>begun</p>\n")
    r:flush()
    repeat
        local sum = 0
        for i = 1, 20000 do
            sum = (sum + i * i) % 1000003
        end
        local file = io.open(path)
        if file then file:close() end
    until file or r:clock() >= stop
    r:puts("</body></html>\n")
    return apache2.OK
end
