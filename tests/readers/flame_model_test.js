/* SPDX-License-Identifier: Apache-2.0 */
/* What report/assets/flame_model.js computes; run by node --test. */
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const vm = require('node:vm');

const file = path.join(__dirname, '../../mod_lpprofile/report/assets',
                       'flame_model.js');
const world = vm.createContext({});
vm.runInContext(fs.readFileSync(file, 'utf8'), world);
const flame = world.lppFlame;

/* root: a (60: b 30, c 20), d (40: a 40), in the order of the page. */
function graph() {
    const boxes = [
        { name: 'root', x: 0, w: 100, level: 0 },
        { name: 'a', x: 0, w: 60, level: 18 },
        { name: 'b', x: 0, w: 30, level: 36 },
        { name: 'c', x: 30.001, w: 20, level: 36 },
        { name: 'd', x: 60, w: 40, level: 18 },
        { name: 'a', x: 60, w: 40, level: 36 },
        { name: '__proto__', x: 60, w: 10, level: 54 }
    ];

    return { boxes: boxes, levels: flame.link(boxes) };
}

function names(boxes) {
    return Array.from(boxes, (box) => box.name).join(' ');
}

test('each box lies on the one that called it', () => {
    const { boxes, levels } = graph();

    assert.strictEqual(boxes[0].up, null);
    assert.strictEqual(names(boxes[0].down), 'a d');
    assert.strictEqual(names(boxes[1].down), 'b c');
    assert.strictEqual(boxes[5].up, boxes[4]);
    assert.strictEqual(boxes[6].up, boxes[5]);
    assert.strictEqual(names(levels[36]), 'b c a');
});

test('the widest box below, or none', () => {
    const { boxes } = graph();

    assert.strictEqual(flame.widest(boxes[0]), boxes[1]);
    assert.strictEqual(flame.widest(boxes[2]), undefined);
});

test('the zoomed box fills the width, with what called it above', () => {
    const { boxes } = graph();
    const places = flame.zoom(boxes, boxes[4]);

    assert.deepEqual({ ...places[0] }, { x: 0, w: 100, above: true });
    assert.deepEqual({ ...places[4] }, { x: 0, w: 100, above: false });
    assert.deepEqual({ ...places[5] }, { x: 0, w: 100, above: false });
    assert.deepEqual({ ...places[6] }, { x: 0, w: 25, above: false });
    assert.ok([1, 2, 3].every((i) => places[i] === null));
});

test('zooming to the root moves nothing', () => {
    const { boxes } = graph();

    flame.zoom(boxes, boxes[0]).forEach((place, i) => {
        assert.deepEqual({ ...place }, { x: boxes[i].x, w: boxes[i].w,
                                         above: false });
    });
});

test('edges that differ by the rounding still meet', () => {
    const { boxes } = graph();

    boxes[2].x = 0;
    boxes[2].w = 60.002;
    assert.notStrictEqual(flame.zoom(boxes, boxes[1])[2], null);
    boxes[2].w = 60.1;
    assert.strictEqual(flame.zoom(boxes, boxes[1])[2], null);
});

test('a hit on a hit is not counted twice', () => {
    const { boxes } = graph();

    boxes[2].name = 'a2';
    const found = flame.search(boxes, '  A ');

    assert.strictEqual(found.functions, 2);
    assert.strictEqual(found.share, 100);
    assert.strictEqual(names(boxes.filter((box) => box.hit)), 'a a2 a');
    assert.strictEqual(flame.summary(found),
                       '2 functions, 100.0 % of the width');
});

test('any name is counted, and one is one function', () => {
    const found = flame.search(graph().boxes, '_proto_');

    assert.strictEqual(flame.summary(found),
                       '1 function, 10.0 % of the width');
});

test('an empty search finds nothing', () => {
    const { boxes } = graph();
    const found = flame.search(boxes, ' ');

    assert.strictEqual(found.functions, 0);
    assert.strictEqual(found.share, 0);
    assert.ok(boxes.every((box) => box.hit === false));
});
