-- SPDX-License-Identifier: Apache-2.0
function handle(r)
    local body = r:requestbody()
    r.content_type = "text/plain"
    r:puts(#(body or ""))
    return apache2.OK
end
