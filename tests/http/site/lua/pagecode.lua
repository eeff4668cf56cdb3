-- SPDX-License-Identifier: Apache-2.0
-- Pages whose shares of time are known: ?what=, and ?n= units of work. "-> a b":
-- the line may call these functions.
local module = require("pagecode_module")
local units = 0

local function burn(n)
    local x = 0
    for i = 1, n * 1000 do
        x = (x * 7 + i) % 1013
    end
    units = units + n
    return x
end

local pages = {}

local function seventy()
    burn(7) -- -> burn
end

local function thirty()
    burn(3) -- -> burn
end

function pages.truth(n)
    for _ = 1, n / 10 do
        seventy() -- -> seventy
        thirty() -- -> thirty
    end
end

function pages.lines(n)
    local x = 0
    for _ = 1, n / 4 do
        for i = 1, 3000 do x = (x * 7 + i) % 1013 end -- three
        for i = 1, 1000 do x = (x * 7 + i) % 1013 end -- one
    end
    return x
end

local function visit(word)
    burn(5) -- -> burn
    return word
end

function pages.gsub(n)
    for _ = 1, n / 50 do
        string.gsub("abcdefghij", ".", visit) -- -> visit
    end
end

local function compare(a, b)
    burn(2) -- -> burn
    return a < b
end

function pages.sort(n)
    for _ = 1, n / 40 do
        table.sort({ 5, 3, 9, 1, 7, 2, 8, 4 }, compare) -- -> compare
    end
end

function pages.pattern(n)
    local text = ("a"):rep(24)
    for _ = 1, n / 10 do
        text:find("a-a-a-a-b")
    end
end

local function thrower(n)
    burn(5) -- -> burn
    error({ n })
end

function pages.pcall(n)
    for _ = 1, n / 5 do
        pcall(thrower, n) -- -> thrower
    end
end

local function generate(n)
    for i = 1, n do
        burn(5) -- -> burn
        coroutine.yield(i)
    end
end

local function outer(n)
    for x in coroutine.wrap(generate), n do -- -> generate
        burn(5) -- -> burn
        coroutine.yield(x)
    end
end

function pages.coroutine(n)
    local co = coroutine.create(outer)
    for i = 1, n / 10 do
        coroutine.resume(co, n) -- -> outer
    end
end

function pages.module(n)
    for _ = 1, n / 10 do
        module.work(burn, 10) -- -> M.work
    end
end

function pages.load(n)
    local text = "local burn, n = ...\nfor i = 1, n do\n  burn(5)\nend"
    load(text)(burn, n / 5) -- -> {main} burn
end

function pages.deep(n)
    local function deep(depth)
        if depth == 0 then
            burn(n) -- -> burn
            return 0
        end
        return 1 + deep(depth - 1) -- -> deep
    end
    deep(400) -- -> deep
end

-- A chunk that calls itself after a file that is not the page's.
function pages.liar(n)
    load("return function(f, n) f(n) end", "@/etc/passwd")()(burn, n) -- -> function:1 burn
end

function handle(r)
    local what = r.args and r.args:match("what=(%w+)") or "truth"
    local n = tonumber(r.args and r.args:match("n=(%d+)")) or 1000
    r.content_type = "text/html"
    pages[what](n) -- -> pages.truth pages.lines pages.gsub pages.sort pages.pattern pages.pcall pages.coroutine pages.module pages.load pages.deep pages.liar
    r:puts("<html><body>", what, " ok</body></html>\n")
    return apache2.OK
end
