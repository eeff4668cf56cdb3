<?php // SPDX-License-Identifier: Apache-2.0
// Page functions whose shares are known: one case a request, by ?what=. A line
// that calls page functions ends with their names, after "->".

function compute($n)
{
    for ($x = 1, $i = 0; $i < $n; $i++) {
        $x = ($x * 31 + $i) % 1000003;
    }
    return $x;
}

function seventy($n)
{
    return compute($n); // -> compute
}

function thirty($n)
{
    return compute($n); // -> compute
}

function truth($rounds)
{
    for ($i = 0; $i < $rounds; $i++) {
        seventy(14000); // -> seventy
        thirty(6000); // -> thirty
    }
}

function three_to_one($rounds)
{
    $x = 1;
    for ($i = 0; $i < $rounds; $i++) {
        $x = ($x * 31 + 7) % 103; $x = ($x * 31 + 7) % 103; $x = ($x * 31 + 7) % 103; // three
        $x = ($x * 31 + 7) % 103; // one
    }
    return $x;
}

function in_c($rounds)
{
    $x = 2.5;
    for ($i = 0; $i < $rounds; $i++) {
        $x = ($x + 1.5) ** 0.9; $x = ($x + 1.5) ** 0.9; $x = ($x + 1.5) ** 0.9; // three
        $x = ($x + 1.5) ** 0.9; // one
    }
    return $x;
}

class Renderer
{
    public static function page($text)
    {
        return preg_replace('/(a+)+$/', 'x', $text); // -> preg_replace()
    }

    public function sorted($n)
    {
        $list = range(1, $n); // -> range()
        usort($list, function ($a, $b) { // -> usort() Renderer::{closure}
            return compute(300) > 0 ? $b - $a : 0; // -> compute
        });
        return $list;
    }

    public function sum($n)
    {
        $sum = 0;
        foreach ($this->numbers($n) as $number) { // -> Renderer::numbers
            $sum += $number;
        }
        return $sum;
    }

    private function numbers($n)
    {
        for ($i = 0; $i < $n; $i++) {
            yield compute(1000); // -> compute
        }
    }

    public function __destruct()
    {
        compute(300000); // -> compute
    }
}

function deep($n, $work)
{
    return $n > 0 ? deep($n - 1, $work) : compute($work); // -> deep compute
}

function fiber($n)
{
    $fiber = new Fiber(function ($n) { // -> Fiber::__construct()
        for ($i = 0; $i < $n; $i++) {
            Fiber::suspend(compute(20000)); // -> compute Fiber::suspend()
        }
    });
    $fiber->start($n); // -> Fiber::start() {closure}
    while (!$fiber->isTerminated()) { // -> Fiber::isTerminated()
        $fiber->resume(); // -> Fiber::resume() {closure}
    }
}

function thrower($n)
{
    try {
        $kept = new Renderer();
        throw new RuntimeException((string)$n); // -> Exception::__construct()
    } finally {
        unset($kept); // -> Renderer::__destruct
    }
}

function catcher($n)
{
    for ($i = 0; $i < $n; $i++) {
        try {
            thrower($i); // -> thrower
        } catch (RuntimeException $e) {
            compute(1000); // -> compute
        }
    }
}

function at_the_end()
{
    compute(10000000); // -> compute
}

header('Content-Type: text/plain'); // -> header()
$n = (int)($_GET['n'] ?? 1);
switch ($_GET['what'] ?? '') {
case 'truth':
    truth($n); // -> truth
    break;
case 'lines':
    three_to_one($n); // -> three_to_one
    break;
case 'in_c':
    in_c($n); // -> in_c
    break;
case 'regex':
    for ($i = 0; $i < $n; $i++) {
        Renderer::page(str_repeat('a', 20) . 'b'); // -> Renderer::page str_repeat()
    }
    break;
case 'usort':
    $r = new Renderer(); // -> Renderer::__destruct
    $r->sorted($n); // -> Renderer::sorted
    break;
case 'generator':
    $r = new Renderer(); // -> Renderer::__destruct
    $r->sum($n); // -> Renderer::sum
    break;
case 'closure':
    $work = function ($n) {
        return compute($n); // -> compute
    };
    $work($n); // -> {closure}
    break;
case 'eval':
    eval("compute(\$n);\ncompute(\$n);"); // -> {eval} compute
    break;
case 'include':
    include __DIR__ . '/pagecode_part.php'; // -> {main}
    part($n); // -> part
    break;
case 'exceptions':
    catcher($n); // -> catcher
    break;
case 'fiber':
    fiber($n); // -> fiber
    break;
case 'deep':
    deep((int)$_GET['depth'], $n); // -> deep
    break;
case 'shutdown':
    register_shutdown_function('at_the_end'); // -> register_shutdown_function()
    break;
}
echo ' ok, PHP ', PHP_VERSION;
