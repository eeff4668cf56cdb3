/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The computing part of a flame graph: which box lies on which, where each box
 * goes when one of them is zoomed to, and what a search finds. It uses no
 * document, so that tests run it without a browser.
 *
 * A box has x and w (left edge and width in percent of the whole graph), level
 * (a greater one lies deeper) and name. link() adds up (the box that it lies
 * on, or null) and down (the boxes that lie on it); search() adds hit.
 */
var lppFlame = (function () {
    'use strict';

    /* Percent. Positions are rounded to 0.001, so edges that meet may differ
     * by twice as much. */
    var EPSILON = 0.002;

    /* Link the boxes, the root first in the array. Returns the boxes by level,
     * from left to right. */
    function link(boxes) {
        var levels = [], depths;

        boxes.forEach(function (box) {
            box.up = null;
            box.down = [];
            levels[box.level] = levels[box.level] || [];
            levels[box.level].push(box);
        });
        depths = Object.keys(levels).map(Number);
        depths.sort(function (a, b) { return a - b; });
        depths.forEach(function (depth, i) {
            var above = i ? levels[depths[i - 1]] : [], at = 0;

            levels[depth].sort(function (a, b) { return a.x - b.x; });
            levels[depth].forEach(function (box) {
                while (at + 1 < above.length
                       && above[at + 1].x <= box.x + EPSILON) {
                    at++;
                }
                if (above.length) {
                    box.up = above[at];
                    box.up.down.push(box);
                }
            });
        });
        return levels;
    }

    /* Where each box goes when the box "to" is as wide as the graph: x and w
     * in percent, and whether it lies above "to"; null: it is not shown. */
    function zoom(boxes, to) {
        var scale = 100 / to.w, above = [], up;

        for (up = to.up; up; up = up.up) {
            above.push(up);
        }
        return boxes.map(function (box) {
            if (above.indexOf(box) >= 0) {
                return { x: 0, w: 100, above: true };
            }
            if (box.level >= to.level && box.x >= to.x - EPSILON
                && box.x + box.w <= to.x + to.w + EPSILON) {
                return { x: (box.x - to.x) * scale, w: box.w * scale,
                         above: false };
            }
            return null;
        });
    }

    /* Mark the boxes whose names contain the text, in any case; an empty text
     * is in none. Returns how many names that are, and their share of the
     * width: a hit that lies on another hit is not counted twice. */
    function search(boxes, text) {
        var wanted = text.trim().toLowerCase(), names = Object.create(null);
        var share = 0;

        boxes.forEach(function (box) {
            box.hit = wanted !== ''
                && box.name.toLowerCase().indexOf(wanted) >= 0;
            if (box.hit) {
                names[box.name] = 1;
            }
        });
        boxes.forEach(function (box) {
            var up = box.up;

            while (up && !up.hit) {
                up = up.up;
            }
            if (box.hit && !up) {
                share += box.w;
            }
        });
        return { functions: Object.keys(names).length, share: share };
    }

    /* What a search found, in words. */
    function summary(found) {
        return found.functions
            + (found.functions === 1 ? ' function, ' : ' functions, ')
            + found.share.toFixed(1) + ' % of the width';
    }

    /* The widest box that lies on this one, or undefined. */
    function widest(box) {
        return box.down.slice().sort(function (a, b) {
            return b.w - a.w;
        })[0];
    }

    return { link: link, zoom: zoom, search: search, summary: summary,
             widest: widest };
}());
