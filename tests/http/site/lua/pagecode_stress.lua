-- SPDX-License-Identifier: Apache-2.0
-- All that changes Lua's chain of calls, until on() says no. "-- a b": the line
-- may call these functions; "--: a": it defines that one.
local function leaf(n) --: leaf
    local x = n
    for i = 1, 20 do
        x = (x * 7 + i) % 1013
    end
    return x
end
local function recurse(n) --: recurse
    if n == 0 then
        local x = leaf(1) -- leaf
        return x
    end
    local a = recurse(n - 1) -- recurse
    return a + 1
end
local Point = {}
Point.__index = Point
function Point.new(x) --: new
    return setmetatable({ x = x }, Point)
end
function Point:length() --: length
    local n = leaf(self.x) -- leaf
    return n
end
Point.__add = function(a, b) --: add
    local x = leaf(a.x) + b.x -- leaf
    local p = Point.new(x % 100) -- new
    return p
end
local function generate(n) --: generate
    for i = 1, n do
        local x = leaf(i) -- leaf
        coroutine.yield(x)
    end
end
local function nested(n) --: nested
    if n == 0 then
        generate(2) -- generate
        return
    end
    local co = coroutine.wrap(nested)
    for _ = 1, 3 do
        local x = co(n - 1) -- nested
        if not x then return end
        coroutine.yield(x)
    end
end
local function tail(n) --: tail
    if n == 0 then
        local x = leaf(2) -- leaf
        return x
    end
    return tail(n - 1) -- tail
end
local function compare(a, b) --: compare
    local c = leaf(a) -- leaf
    return a < b
end
local function visit(s) --: visit
    local x = leaf(#s) -- leaf
    return x % 10
end
local function fails(n) --: fails
    local x = leaf(n) -- leaf
    error({ x })
end
local function closures(n) --: closures
    local sum = 0
    for i = 1, n do
        local f = function(x) --: inner
            local y = leaf(x) -- leaf
            return y + i
        end
        sum = sum + f(i) -- inner
    end
    return sum
end
local function garbage(n) --: garbage
    local t = {}
    for i = 1, n do
        t[i] = setmetatable({ tostring(i) }, { __gc = function(o) --: collect
            local x = leaf(3) -- leaf
        end })
    end
    collectgarbage() -- collect
end
local function work() --: work
    local d = recurse(30) -- recurse
    local p = Point.new(1) -- new
    for _ = 1, 10 do
        p = p + Point.new(2) -- add new
    end
    local l = p:length() -- length
    local co = coroutine.create(generate)
    for _ = 1, 6 do
        coroutine.resume(co, 5) -- generate
    end
    local w = coroutine.wrap(nested)
    for _ = 1, 3 do
        w(3) -- nested
    end
    local t = tail(20) -- tail
    table.sort({ 5, 3, 9, 1, 7, 2 }, compare) -- compare
    local s = string.gsub("a bc def", "%a+", visit) -- visit
    for _ = 1, 5 do
        pcall(fails, 4) -- fails
    end
    local c = closures(10) -- closures
    local g = garbage(10) -- garbage
end
function run(on) --: run
    while on() do -- inner
        work() -- work
    end
end

function handle(r) --: handle
    local last = r:clock() + 1000 * tonumber(r.args:match("ms=(%d+)"))
    r.content_type = "text/html"
    run(function() return r:clock() < last end) --: inner -- run
    r:puts("<html><body>ok</body></html>\n")
    return apache2.OK
end
