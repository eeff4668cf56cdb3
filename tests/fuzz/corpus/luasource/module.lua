-- SPDX-License-Identifier: Apache-2.0
local M = {}
function M.a:b(x)
  return function() end
end
local f = function(y) end -- [[ x
M.t = { g = function() end, ["h"] = function() end }
x = [==[ function ]] ]==] local function z() end
