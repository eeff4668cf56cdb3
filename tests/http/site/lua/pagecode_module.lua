-- SPDX-License-Identifier: Apache-2.0
-- A module that pagecode.lua requires.
local M = {}

function M.work(burn, n)
    burn(n) -- -> burn
end

return M
