<?php // SPDX-License-Identifier: Apache-2.0
// Everything that changes PHP's chain of frames, for ?ms= milliseconds. A line
// that calls page functions, or destroys what has a destructor, ends with the
// names of all that may run below it, after "->". What a function's variables
// hold is destroyed below the function's caller.

function compute($n)
{
    for ($x = 1, $i = 0; $i < $n; $i++) {
        $x = ($x * 31 + $i) % 1000003;
    }
    return $x;
}

function down($n)
{
    if ($n == 0) {
        return compute(20); // -> compute
    }
    return up($n - 1) + 1; // -> up
}

function up($n)
{
    return $n == 0 ? compute(20) : down($n - 1) + 1; // -> compute down
}

class Thing
{
    private $list = [];

    public function __construct(public $number = 1)
    {
        $this->list = array_fill(0, 5, $number); // -> array_fill()
    }

    public function __destruct()
    {
        compute(60); // -> compute
    }

    public function __call($name, $arguments)
    {
        return compute(10) + count($arguments); // -> compute
    }

    public static function __callStatic($name, $arguments)
    {
        return self::of(compute(10)); // -> compute Thing::of Thing::__construct
    }

    public function __get($name)
    {
        return strtoupper($name) . compute(5); // -> strtoupper() compute
    }

    public function __toString()
    {
        return (string)compute(5); // -> compute
    }

    public static function of($number)
    {
        return new static($number); // -> Thing::__construct
    }

    public function each()
    {
        foreach ($this->list as $item) {
            yield compute($item % 7); // -> compute
        }
        yield from $this->rest(3); // -> Thing::rest
        return 1;
    }

    private function rest($n)
    {
        if ($n > 0) {
            yield compute(5); // -> compute
            yield from $this->rest($n - 1); // -> Thing::rest
        }
    }
}

class Bag implements IteratorAggregate, ArrayAccess, Countable
{
    public function getIterator(): Iterator
    {
        return new ArrayIterator([3, 1, 2]); // -> ArrayIterator::__construct()
    }

    public function offsetExists($at): bool
    {
        return compute(3) > 0; // -> compute
    }

    public function offsetGet($at): mixed
    {
        return compute($at); // -> compute
    }

    public function offsetSet($at, $value): void
    {
        compute(3); // -> compute
    }

    public function offsetUnset($at): void
    {
        compute(3); // -> compute
    }

    public function count(): int
    {
        return compute(3); // -> compute
    }
}

function throws($n)
{
    $thing = new Thing($n); // -> Thing::__construct Thing::__destruct
    if ($n == 0) {
        throw new LogicException('x'); // -> Exception::__construct() Thing::__destruct
    }
    try {
        throws($n - 1); // -> throws Thing::__destruct
    } finally {
        compute(5); // -> compute Thing::__destruct
    }
}

function catches()
{
    try {
        throws(4); // -> throws Thing::__destruct
    } catch (LogicException $e) {
        return compute(5); // -> compute
    }
}

function by_callback()
{
    $list = [5, 3, 8, 1, 9, 2];
    usort($list, function ($a, $b) { // -> usort() {closure}
        return compute(3) > 0 ? $a <=> $b : 0; // -> compute
    });
    $list = array_map(fn($x) => $x + compute(4), $list); // -> array_map() {closure} compute
    $list = array_filter($list, 'is_int'); // -> array_filter() is_int()
    array_walk($list, [new Thing(), 'walked']); // -> array_walk() Thing::walked Thing::__call Thing::__construct Thing::__destruct
    preg_replace_callback('/[aeiou]/', function ($m) { // -> preg_replace_callback() {closure}
        return strtoupper($m[0]) . compute(3); // -> strtoupper() compute
    }, 'the quick brown fox');
    call_user_func_array('down', [3]); // -> call_user_func_array() down
    return (new ReflectionFunction('up'))->invoke(3); // -> ReflectionFunction::__construct() ReflectionFunction::invoke() up
}

function by_generator()
{
    $thing = new Thing(4); // -> Thing::__construct Thing::__destruct
    $sum = 0;
    foreach ($thing->each() as $value) { // -> Thing::each Thing::rest
        $sum += $value;
    }
    $gen = $thing->each(); // -> Thing::each
    while ($gen->valid()) { // -> Generator::valid() Thing::each Thing::rest
        $sum += $gen->current(); // -> Generator::current() Thing::each Thing::rest
        $gen->next(); // -> Generator::next() Thing::each Thing::rest
    }
    return $sum + array_sum(iterator_to_array($thing->each(), false)) // -> Thing::each Thing::rest iterator_to_array() array_sum() Thing::__destruct
        + $gen->getReturn(); // -> Generator::getReturn() Thing::__destruct
} // -> Thing::__destruct

function by_fiber()
{
    $fiber = new Fiber(function ($n) { // -> Fiber::__construct()
        for ($i = 0; $i < $n; $i++) {
            Fiber::suspend(down(4)); // -> down Fiber::suspend()
        }
        by_generator(); // -> by_generator Thing::__destruct
    });
    $fiber->start(3); // -> Fiber::start() {closure}
    while (!$fiber->isTerminated()) { // -> Fiber::isTerminated()
        $fiber->resume(); // -> Fiber::resume() {closure}
    }
}

function by_magic()
{
    $thing = new Thing(3); // -> Thing::__construct Thing::__destruct
    $x = $thing->unknown(1, 2); // -> Thing::unknown Thing::__call
    $x = Thing::other(); // -> Thing::other Thing::__callStatic Thing::__destruct
    $x = $thing->missing; // -> Thing::__get Thing::__destruct
    $x = "$thing" . $x; // -> Thing::__toString
    $bag = new Bag();
    $bag[3] = $bag[4]; // -> Bag::offsetGet Bag::offsetSet
    $x = isset($bag[1]) + count($bag); // -> Bag::offsetExists Bag::count count()
    unset($bag[1]); // -> Bag::offsetUnset
    foreach ($bag as $item) { // -> Bag::getIterator
        compute($item); // -> compute
    }
    return $x;
} // -> Thing::__destruct

function by_eval($n)
{
    eval('compute(20);'); // -> {eval} compute
    eval("function_exists('made') || eval('function made(\$n) { return compute(\$n); }');"); // -> {eval} function_exists() compute
    made(10); // -> made compute
    return include __DIR__ . '/pagecode_part.php'; // -> {main}
}

function by_closure()
{
    $add = function ($n) use (&$add) {
        return $n > 0 ? $add($n - 1) + 1 : compute(20); // -> {closure} compute
    };
    $add(5); // -> {closure}
    $static = static fn() => compute(10); // -> compute
    $static(); // -> {closure}
    $first = strlen(...);
    $bound = Closure::bind(function () { return compute($this->number); }, new Thing(), Thing::class); // -> Closure::bind() Thing::__construct compute
    return $bound() + $first('abc'); // -> Thing::{closure} strlen() Thing::__destruct
} // -> Thing::__destruct

function everything()
{
    down(30); // -> down
    catches(); // -> catches Thing::__destruct
    by_callback(); // -> by_callback Thing::__destruct
    by_generator(); // -> by_generator Thing::__destruct
    by_fiber(); // -> by_fiber
    by_magic(); // -> by_magic Thing::__destruct
    by_eval(5); // -> by_eval
    by_closure(); // -> by_closure Thing::__destruct
}

header('Content-Type: text/plain'); // -> header()
set_time_limit(0); // -> set_time_limit()
$end = hrtime(true) + $_GET['ms'] * 1000000; // -> hrtime()
for ($rounds = 0; hrtime(true) < $end; $rounds++) { // -> hrtime()
    everything(); // -> everything
}
echo $rounds, ' rounds ok';
