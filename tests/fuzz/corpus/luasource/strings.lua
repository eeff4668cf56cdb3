#!/usr/bin/lua
-- SPDX-License-Identifier: Apache-2.0
x = "\"function\
" --[[ long
]] function
f
(a, ...) end a, b = function
() end