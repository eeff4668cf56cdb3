<?php // SPDX-License-Identifier: Apache-2.0
header('Content-Type: text/plain');
foreach ($_SERVER as $name => $value) {
    if (is_string($value)) {
        echo $name, '=', $value, "\n";
    }
}
