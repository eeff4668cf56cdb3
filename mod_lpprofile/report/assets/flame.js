/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flame graphs of an own page: zoom, search, reset and keys, by moving the
 * boxes that are there. Where radio buttons switch between graphs, all this is
 * done to the one that is shown. Runs under a CSP with a nonce, after
 * flame_model.js. Reads the page and nothing else, sends nothing, stores
 * nothing.
 */
(function () {
    'use strict';

    var NAMED_PERCENT = 0.7; /* a box as wide as that shows its name */
    var graphs = document.querySelectorAll('svg.flame');
    var controls = document.querySelector('.controls');
    var switches = document.querySelectorAll('.parts > input');
    var find, result, reset, readout, hint;
    var graph, boxes, levels, root, zoomed; /* of the graph that is shown */
    var current = null; /* the box that the keys move from */

    if (!graphs.length || !controls) {
        return;
    }

    function box_of_element(element) {
        var title = element.querySelector('title').textContent;
        var box = { element: element, title: title,
                    name: title.split('\n')[0],
                    x: parseFloat(element.getAttribute('x')),
                    w: parseFloat(element.getAttribute('width')),
                    level: Number(element.getAttribute('y')),
                    text: element.querySelector('text') };

        element.lppBox = box;
        return box;
    }

    function label(box) {
        if (box.text) {
            return;
        }
        box.text = document.createElementNS('http://www.w3.org/2000/svg',
                                            'text');
        box.text.setAttribute('x', '4');
        box.text.setAttribute('y', '13');
        box.text.setAttribute('font-size', '12');
        box.text.setAttribute('font-family', 'sans-serif');
        box.text.setAttribute('fill', '#111');
        box.text.textContent = box.name.replace(/ \([^()]*\)$/, '');
        box.element.appendChild(box.text);
    }

    function place(box, at) {
        box.element.classList.toggle('up', at !== null && at.above);
        if (!at) {
            box.element.setAttribute('display', 'none');
            return;
        }
        box.element.removeAttribute('display');
        box.element.setAttribute('x', at.x.toFixed(3) + '%');
        box.element.setAttribute('width', at.w.toFixed(3) + '%');
        if (at.w >= NAMED_PERCENT) {
            label(box);
        }
    }

    function zoom(to) {
        zoomed = to;
        lppFlame.zoom(boxes, to).forEach(function (at, i) {
            place(boxes[i], at);
        });
        reset.disabled = to === root && !find.value;
    }

    function search() {
        var found = lppFlame.search(boxes, find.value);
        var empty = find.value.trim() === '';

        graph.classList.toggle('searched', !empty);
        boxes.forEach(function (box) {
            box.element.classList.toggle('hit', box.hit);
        });
        result.textContent = empty ? '' : lppFlame.summary(found);
        reset.disabled = zoomed === root && empty;
    }

    function show(box) {
        readout.textContent = box ? box.title.replace('\n', ' \u2014 ')
                                  : hint;
    }

    function box_at(node) {
        while (node && node !== graph && !node.lppBox) {
            node = node.parentNode;
        }
        return node && node.lppBox;
    }

    function pick(box) {
        if (!box) {
            return;
        }
        if (current) {
            current.element.classList.remove('at');
        }
        current = box;
        box.element.classList.add('at');
        show(box);
    }

    function beside(box, step) {
        var shown = levels[box.level].filter(function (other) {
            return !other.element.hasAttribute('display');
        });

        return shown[shown.indexOf(box) + step];
    }

    function on_click(event) {
        var box = box_at(event.target);

        if (box) {
            zoom(box === zoomed && box.up ? box.up : box);
            pick(box);
        }
    }

    function on_key(event) {
        var at = current || zoomed;

        switch (event.key) {
        case 'ArrowDown':
            pick(lppFlame.widest(at));
            break;
        case 'ArrowUp':
            pick(at.up);
            break;
        case 'ArrowLeft':
            pick(beside(at, -1));
            break;
        case 'ArrowRight':
            pick(beside(at, 1));
            break;
        case 'Enter':
            zoom(at);
            break;
        case 'Escape':
            reset.click();
            break;
        default:
            return;
        }
        event.preventDefault();
    }

    function on_reset() {
        find.value = '';
        if (current) {
            current.element.classList.remove('at');
            current = null;
        }
        search();
        zoom(root);
        show(null);
    }

    /* Work on a graph from now on. */
    function use(shown) {
        graph = shown;
        if (!graph.lppBoxes) {
            graph.lppBoxes = Array.prototype.map.call(graph.children,
                                                      box_of_element);
            graph.lppLevels = lppFlame.link(graph.lppBoxes);
        }
        boxes = graph.lppBoxes;
        levels = graph.lppLevels;
        root = boxes[0];
        current = null;
        zoom(root);
        search();
        show(null);
    }

    function listen(element) {
        element.addEventListener('click', on_click);
        element.addEventListener('mousemove', function (event) {
            show(box_at(event.target) || current);
        });
        element.addEventListener('mouseleave', function () {
            show(current);
        });
        element.addEventListener('keydown', on_key);
        element.setAttribute('tabindex', '0');
        element.classList.add('live');
    }

    /* The graph that a radio button shows. */
    function graph_of(radio) {
        return document.querySelector('.of-' + radio.value + ' svg.flame');
    }

    function on_switch(event) {
        if (current) {
            current.element.classList.remove('at');
        }
        use(graph_of(event.target));
    }

    find = controls.querySelector('input');
    result = controls.querySelector('output');
    reset = controls.querySelector('button');
    readout = document.querySelector('.readout');
    hint = readout.textContent;
    graph = graphs[0];
    Array.prototype.forEach.call(switches, function (radio) {
        radio.addEventListener('change', on_switch);
        if (radio.checked) {
            graph = graph_of(radio);
        }
    });
    Array.prototype.forEach.call(graphs, listen);
    use(graph);
    find.addEventListener('input', search);
    controls.addEventListener('submit', function (event) {
        event.preventDefault();
    });
    reset.addEventListener('click', on_reset);
    controls.hidden = false;
    readout.hidden = false;
}());
