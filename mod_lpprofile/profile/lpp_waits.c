/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_waits: see lpp_waits.h.
 *
 * Rows and episodes are malloc'd: the helper adds them while the request's
 * thread uses the pool of the profile.
 */
#include "profile/lpp_waits.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#define FIRST 16u

/* Room for one more element of size bytes in *array, which has count; 0: it has
 * max, or there is no memory. Arrays grow at powers of two. */
static int make_room(void **array, apr_uint32_t count, apr_uint32_t max,
                     apr_size_t size)
{
    void *larger;

    if (count >= max) {
        return 0;
    }
    if (count != 0 && (count < FIRST || (count & (count - 1)) != 0)) {
        return 1;
    }
    larger = realloc(*array, (count < FIRST ? FIRST : count * 2) * size);
    if (larger == NULL) {
        return 0;
    }
    *array = larger;
    return 1;
}

/* The row of pc, or NULL. */
static lpp_wait_t *find(const lpp_waits_t *waits, lpp_pc_t pc)
{
    apr_uint32_t i;

    for (i = 0; i < waits->count; i++) {
        if (waits->rows[i].pc == pc) {
            return &waits->rows[i];
        }
    }
    return NULL;
}

static lpp_wait_t *row_of(lpp_waits_t *waits, lpp_pc_t pc)
{
    lpp_wait_t *row = find(waits, pc);
    void *rows = waits->rows;

    if (row != NULL) {
        return row;
    }
    if (!make_room(&rows, waits->count, LPP_WAITS_MAX, sizeof(*row))) {
        return NULL;
    }
    waits->rows = rows;
    row = &waits->rows[waits->count++];
    memset(row, 0, sizeof(*row));
    row->pc = pc;
    return row;
}

void lpp_waits_begin(lpp_waits_t *waits, lpp_pc_t pc, const char *note)
{
    lpp_wait_t *row = row_of(waits, pc);

    waits->last_ns = 0;
    if (row == NULL) {
        waits->more++;
        return;
    }
    row->times++;
    if (note[0] != '\0') {
        apr_cpystrn(row->note, note, sizeof(row->note));
    }
}

static void add_episode(lpp_waits_t *waits, const lpp_wait_episode_t *episode)
{
    void *episodes = waits->episodes;

    if (!make_room(&episodes, waits->episode_count, LPP_WAIT_EPISODES_MAX,
                   sizeof(*episode))) {
        waits->episodes_more++;
        return;
    }
    waits->episodes = episodes;
    waits->episodes[waits->episode_count++] = *episode;
}

void lpp_waits_last(lpp_waits_t *waits, lpp_pc_t pc, apr_int64_t start_ns,
                    apr_int64_t now_ns)
{
    lpp_wait_episode_t episode = { pc, start_ns, 0 };
    lpp_wait_t *row = find(waits, pc);

    episode.wall_ns = now_ns > start_ns ? (apr_uint64_t)(now_ns - start_ns)
                                        : 0;
    if (row != NULL && episode.wall_ns > waits->last_ns) {
        row->total_ns += episode.wall_ns - waits->last_ns;
        waits->last_ns = episode.wall_ns;
    }
    if (row != NULL && row->longest_ns < episode.wall_ns) {
        row->longest_ns = episode.wall_ns;
    }
    if (episode.wall_ns < LPP_WAIT_LONG_NS) {
        return;
    }
    if (waits->episode_count > 0) {
        lpp_wait_episode_t *last = &waits->episodes[waits->episode_count - 1];

        if (last->start_ns == start_ns && last->pc == pc) {
            last->wall_ns = episode.wall_ns;
            return;
        }
    }
    add_episode(waits, &episode);
}

void lpp_waits_merge(lpp_waits_t *into, const lpp_waits_t *from)
{
    apr_uint32_t i;

    for (i = 0; i < from->count; i++) {
        lpp_wait_t *row = row_of(into, from->rows[i].pc);

        if (row == NULL) {
            into->more += from->rows[i].times;
            continue;
        }
        row->times += from->rows[i].times;
        row->total_ns += from->rows[i].total_ns;
        if (row->longest_ns < from->rows[i].longest_ns) {
            row->longest_ns = from->rows[i].longest_ns;
        }
        if (row->note[0] == '\0') {
            memcpy(row->note, from->rows[i].note, sizeof(row->note));
        }
    }
    into->more += from->more;
    for (i = 0; i < from->episode_count; i++) {
        add_episode(into, &from->episodes[i]);
    }
    into->episodes_more += from->episodes_more;
}

const lpp_wait_t *lpp_waits_heaviest(const lpp_waits_t *waits)
{
    const lpp_wait_t *most = NULL;
    apr_uint32_t i;

    for (i = 0; i < waits->count; i++) {
        if (most == NULL || waits->rows[i].total_ns > most->total_ns) {
            most = &waits->rows[i];
        }
    }
    return most;
}

void lpp_waits_free(lpp_waits_t *waits)
{
    free(waits->rows);
    free(waits->episodes);
    memset(waits, 0, sizeof(*waits));
}
