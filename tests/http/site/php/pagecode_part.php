<?php // SPDX-License-Identifier: Apache-2.0
// Included by pagecode.php and pagecode_stress.php.

if (!function_exists('part')) { // -> function_exists()
    function part($n)
    {
        return compute($n); // -> compute
    }
}
compute($n); // -> compute
