-- SPDX-License-Identifier: Apache-2.0
function handle(r)
    r.content_type = "text/html"
    r:puts("<html><body><p>", r:escape_html(r.unparsed_uri), "</p></body></html>\n")
    return apache2.OK
end
