/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_objects: the loaded objects of a view's samples. They are stored in
 * the view, and not looked up in the process's own table, so that a view can be
 * read in another process.
 */
#include <stdlib.h>
#include <string.h>

#include "names/lpp_view_graph.h"

static int compare_numbers(const void *a, const void *b)
{
    const unsigned *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

apr_status_t lpp_view_add_objects(lpp_view_t *view, const lpp_maps_t *maps,
                                  apr_pool_t *pool)
{
    apr_pool_t *scratch;
    lpp_object_t *objects;
    unsigned *numbers;
    apr_uint32_t i, count = 0;
    apr_status_t status = apr_pool_create(&scratch, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    numbers = apr_palloc(scratch, view->branch_count * sizeof(*numbers));
    if (numbers == NULL) {
        status = APR_ENOMEM;
        goto leave;
    }
    for (i = 0; i < view->branch_count; i++) {
        numbers[i] = LPP_PC_OBJECT(view->branch_pcs[i]);
    }
    qsort(numbers, view->branch_count, sizeof(*numbers), compare_numbers);
    for (i = 0; i < view->branch_count; i++) {
        if (numbers[i] != 0 && numbers[i] < LPP_WAIT_OBJECT
            && (count == 0 || numbers[count - 1] != numbers[i])) {
            numbers[count++] = numbers[i];
        }
    }
    objects = apr_pcalloc(pool, (count + 1) * sizeof(*objects));
    if (objects == NULL) {
        status = APR_ENOMEM;
        goto leave;
    }
    for (i = 0; maps != NULL && i < count; i++) {
        const lpp_object_t *from = lpp_maps_object(maps, numbers[i]);
        lpp_object_t *object = &objects[view->object_count];

        if (from != NULL) {
            object->path = from->path;
            object->bias = from->bias;
            object->start = from->start;
            object->end = from->end;
            object->build_id = from->build_id;
            object->build_id_len = from->build_id_len;
            object->number = from->number;
            view->object_count++;
        }
    }
    view->objects = objects;

leave:
    apr_pool_destroy(scratch);
    return status;
}

/* Only the helper may call lpp_maps_find; any thread may read objects by
 * number. */
lpp_pc_t lpp_view_place(const lpp_maps_t *maps, const void *address)
{
    apr_uint64_t at = (apr_uintptr_t)address;
    unsigned number;

    if (maps == NULL) {
        return at;
    }
    for (number = lpp_maps_count(maps); number > 0; number--) {
        const lpp_object_t *object = lpp_maps_object(maps, number);

        if (object != NULL && !object->gone && at >= object->start
            && at < object->end) {
            return LPP_PC_MAKE(object->number, at - object->bias);
        }
    }
    return 0;
}

const lpp_object_t *lpp_view_object(const lpp_view_t *view, lpp_pc_t pc)
{
    unsigned number = LPP_PC_OBJECT(pc);
    apr_uint32_t low = 0, high = view->object_count;

    while (low < high) {
        apr_uint32_t middle = low + (high - low) / 2;

        if (view->objects[middle].number < number) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low < view->object_count && view->objects[low].number == number
        ? &view->objects[low] : NULL;
}
