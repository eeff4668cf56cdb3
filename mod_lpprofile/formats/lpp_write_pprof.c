/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_write_pprof: a profile as gzipped profile.proto, for "go tool pprof",
 * speedscope, Pyroscope.
 *
 * A serialized message may be written in parts; repeated fields of the parts
 * are appended. So samples are written in batches, which need little memory for
 * any depth. Strings are written last, when all are known. Ids are small and
 * begin at 1; every location has a function.
 */
#include "formats/lpp_writer.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <apr_escape.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include "lpp_pprof.pb-c.h"
#include "names/lpp_view_graph.h"

#define BATCH 256u        /* messages of one part */
#define LABELS 5u         /* oops, page, host; phase, module */
#define LABELS_FIXED 3u   /* the same in all samples */

static apr_uint64_t samples_of(const lpp_cost_t *cost)
{
    return cost->samples;
}

static apr_uint64_t wall_of(const lpp_cost_t *cost)
{
    return cost->wall_us;
}

static apr_uint64_t cpu_of(const lpp_cost_t *cost)
{
    return cost->cpu_us;
}

static apr_uint64_t ready_of(const lpp_cost_t *cost)
{
    return cost->ready_us;
}

/* The values of a sample, in the order of the file. To add a value, add a
 * row. */
static const struct {
    const char *type, *unit;
    apr_uint64_t (*get)(const lpp_cost_t *cost);
} value_types[] = {
    {"samples", "count", samples_of},
    {"wall", "microseconds", wall_of},
    {"cpu", "microseconds", cpu_of},
    {"ready", "microseconds", ready_of},
    {"blocked", "microseconds", lpp_cost_blocked_us},
};

#define VALUES LPP_COUNT(value_types)
#define VALUE_WALL 1 /* type of the period, and shown by default */

typedef struct writer_t {
    const lpp_view_t *view;
    const lpp_sink_t *sink;
    apr_status_t status;          /* first error */
    z_stream zip;
    apr_hash_t *numbers;          /* string -> its index */
    apr_array_header_t *strings;  /* const char *, by index */
    apr_uint32_t *locations;      /* id of each line branch's location */
    apr_uint32_t *first;          /* of each location: its first line branch */
    apr_uint32_t location_count;
    apr_uint32_t *outermost, *innermost; /* calls of each branch, or NULL */
    unsigned short *mappings;     /* id of each object's mapping, 0: none */
    apr_pool_t *pool;
    apr_pool_t *batch;            /* of one part; cleared */
} writer_t;

static apr_int64_t text(writer_t *writer, const char *string)
{
    apr_int64_t *number = string == NULL ? NULL
        : apr_hash_get(writer->numbers, string, APR_HASH_KEY_STRING);

    if (number == NULL) {
        number = string ? apr_palloc(writer->pool, sizeof(*number)) : NULL;
        if (number == NULL) {
            writer->status = APR_ENOMEM;
            return 0;
        }
        *number = writer->strings->nelts;
        APR_ARRAY_PUSH(writer->strings, const char *) = string;
        apr_hash_set(writer->numbers, string, APR_HASH_KEY_STRING, number);
    }
    return *number;
}

/* Compress data and write it to the sink; last: this is the end of the file. */
static void zip(writer_t *writer, void *data, apr_size_t len, int last)
{
    unsigned char out[16384];
    int code;

    writer->zip.next_in = data;
    writer->zip.avail_in = (uInt)len;
    do {
        writer->zip.next_out = out;
        writer->zip.avail_out = sizeof(out);
        code = deflate(&writer->zip, last ? Z_FINISH : Z_NO_FLUSH);
        if (code == Z_STREAM_ERROR) {
            writer->status = APR_EGENERAL;
        }
        if (writer->status == APR_SUCCESS
            && writer->zip.avail_out < sizeof(out)) {
            writer->status = lpp_sink_write(writer->sink, (char *)out,
                                            sizeof(out)
                                            - writer->zip.avail_out);
        }
    } while (writer->status == APR_SUCCESS && writer->zip.avail_out == 0);
}

/* Write one part, and clear the pool of its batch. */
static void write_part(writer_t *writer, const Lpp__Pprof__Profile *part)
{
    apr_size_t len = lpp__pprof__profile__get_packed_size(part);
    unsigned char *data = writer->status == APR_SUCCESS && len > 0
        ? malloc(len) : NULL;

    if (data != NULL) {
        lpp__pprof__profile__pack(part, data);
        zip(writer, data, len, 0);
        free(data);
    }
    else if (writer->status == APR_SUCCESS && len > 0) {
        writer->status = APR_ENOMEM;
    }
    apr_pool_clear(writer->batch);
}

/* The time in nanoseconds, limited to the years 1678 to 2262. */
static int64_t nanoseconds(apr_time_t time)
{
    return time > INT64_MAX / 1000   ? INT64_MAX
           : time < INT64_MIN / 1000 ? INT64_MIN
                                     : (int64_t)time * 1000;
}

/* Write what a file has once: types, period, times, comments. */
static void write_head(writer_t *writer)
{
    const lpp_view_t *view = writer->view;
    apr_array_header_t *notes = lpp_writer_notes(view, writer->pool);
    Lpp__Pprof__Profile part = LPP__PPROF__PROFILE__INIT;
    Lpp__Pprof__ValueType values[VALUES], *pointers[VALUES];
    int64_t *comments;
    unsigned i;

    for (i = 0; i < VALUES; i++) {
        lpp__pprof__value_type__init(&values[i]);
        values[i].type = text(writer, value_types[i].type);
        values[i].unit = text(writer, value_types[i].unit);
        pointers[i] = &values[i];
    }
    part.n_sample_type = VALUES;
    part.sample_type = pointers;
    part.period_type = &values[VALUE_WALL];
    part.default_sample_type = values[VALUE_WALL].type;
    part.period = view->statistics.asked_hz != 0
        ? 1000000 / (int64_t)view->statistics.asked_hz : 0;
    part.time_nanos = nanoseconds(view->about.start);
    part.duration_nanos = (int64_t)view->total.wall_us * 1000;
    comments = apr_palloc(writer->batch, (apr_size_t)notes->nelts
                          * sizeof(*comments));
    if (comments == NULL) {
        writer->status = APR_ENOMEM;
        return;
    }
    for (i = 0; i < (unsigned)notes->nelts; i++) {
        const lpp_writer_note_t *note = &APR_ARRAY_IDX(notes, i,
                                                       lpp_writer_note_t);

        comments[i] = text(writer, apr_pstrcat(writer->pool, note->name,
                                               ": ", note->value, NULL));
    }
    part.n_comment = (size_t)notes->nelts;
    part.comment = comments;
    write_part(writer, &part);
}

/* The pc of a line branch: that of its branch, or the page function's line. */
static lpp_pc_t pc_of(const lpp_view_t *view, apr_uint32_t at)
{
    const lpp_line_branch_t *line = &view->line_branches[at];
    lpp_pc_t pc = view->branch_pcs[line->branch];

    return LPP_PC_IS_PAGE(pc) ? LPP_PAGE_START(pc) | line->line : pc;
}

/* Make one location for each pc; the root and the rest have their own. */
static int make_locations(writer_t *writer)
{
    const lpp_view_t *view = writer->view;
    apr_uint32_t count = view->line_branch_count, i;
    apr_hash_t *by_pc = apr_hash_make(writer->pool);
    lpp_pc_t *pcs = apr_palloc(writer->pool, count * sizeof(*pcs));

    writer->locations = apr_palloc(writer->pool,
                                   count * sizeof(*writer->locations));
    writer->first = apr_palloc(writer->pool,
                               (count + 1) * sizeof(*writer->first));
    if (by_pc == NULL || pcs == NULL || writer->locations == NULL
        || writer->first == NULL) {
        return 0;
    }
    for (i = 0; i < count; i++) {
        lpp_pc_t *pc = &pcs[i];
        apr_uint32_t *known;

        *pc = pc_of(view, i);
        known = i < 2 ? NULL : apr_hash_get(by_pc, pc, sizeof(*pc));

        if (known != NULL) {
            writer->locations[i] = *known;
            continue;
        }
        writer->locations[i] = ++writer->location_count;
        writer->first[writer->location_count] = i;
        if (i >= 2) {
            apr_hash_set(by_pc, pc, sizeof(*pc), &writer->locations[i]);
        }
    }
    return 1;
}

static void fill_mapping(writer_t *writer, const lpp_object_t *object,
                         Lpp__Pprof__Mapping *mapping)
{
    lpp__pprof__mapping__init(mapping);
    mapping->id = writer->mappings[object->number];
    mapping->memory_start = object->start;
    mapping->memory_limit = object->end;
    /* With common linkers, code has the same offset in file and memory. */
    mapping->file_offset = object->start - object->bias;
    mapping->filename = text(writer, object->path);
    if (object->build_id != NULL) {
        mapping->build_id = text(writer, apr_pescape_hex(
            writer->pool, object->build_id, object->build_id_len, 0));
    }
    /* functions have names: pprof must not search for others */
    mapping->has_functions = 1;
}

/* Write the objects of the locations, by their numbers: the program first. */
static void write_mappings(writer_t *writer)
{
    Lpp__Pprof__Profile part = LPP__PPROF__PROFILE__INIT;
    const lpp_view_t *view = writer->view;
    Lpp__Pprof__Mapping **pointers;
    apr_uint32_t i;

    pointers = apr_palloc(writer->batch, (view->object_count + 1)
                          * sizeof(*pointers));
    for (i = 0; i < view->object_count; i++) {
        writer->mappings[view->objects[i].number] = (unsigned short)(i + 1);
        pointers[i] = apr_palloc(writer->batch, sizeof(**pointers));
        fill_mapping(writer, &view->objects[i], pointers[i]);
    }
    part.n_mapping = view->object_count;
    part.mapping = pointers;
    write_part(writer, &part);
}

static void write_functions(writer_t *writer)
{
    Lpp__Pprof__Function functions[BATCH], *pointers[BATCH];
    apr_uint32_t i = 0;

    while (i < writer->view->function_count) {
        Lpp__Pprof__Profile part = LPP__PPROF__PROFILE__INIT;

        part.function = pointers;
        for (; part.n_function < BATCH && i < writer->view->function_count;
             i++) {
            const lpp_symbol_t *symbol = &writer->view->functions[i].symbol;
            Lpp__Pprof__Function *function = &functions[part.n_function];

            lpp__pprof__function__init(function);
            function->id = i + 1;
            function->name = text(writer, symbol->name);
            function->system_name = function->name;
            /* pprof adds up functions of one name unless their files differ */
            function->filename = text(writer, symbol->file != NULL
                                      ? symbol->file : symbol->object);
            function->start_line = symbol->line;
            pointers[part.n_function++] = function;
        }
        write_part(writer, &part);
    }
}

static void write_locations(writer_t *writer)
{
    Lpp__Pprof__Location locations[BATCH], *pointers[BATCH];
    Lpp__Pprof__Line lines[BATCH], *line_pointers[BATCH];
    apr_uint32_t id = 1;

    while (id <= writer->location_count) {
        Lpp__Pprof__Profile part = LPP__PPROF__PROFILE__INIT;
        size_t n;

        part.location = pointers;
        for (n = 0; n < BATCH && id <= writer->location_count; n++, id++) {
            const lpp_line_branch_t *line
                = &writer->view->line_branches[writer->first[id]];
            lpp_pc_t pc = writer->view->branch_pcs[line->branch];
            const lpp_object_t *object = lpp_view_object(writer->view, pc);

            lpp__pprof__location__init(&locations[n]);
            lpp__pprof__line__init(&lines[n]);
            lines[n].function_id
                = writer->view->branches[line->branch].function + 1;
            lines[n].line = line->line;
            line_pointers[n] = &lines[n];
            locations[n].id = id;
            locations[n].n_line = 1;
            locations[n].line = &line_pointers[n];
            locations[n].address = LPP_PC_IS_PAGE(pc) || LPP_PC_IS_WAIT(pc)
                ? 0 : LPP_PC_ADDRESS(pc);
            if (object != NULL) {
                locations[n].mapping_id = writer->mappings[object->number];
                locations[n].address += object->bias;
            }
            pointers[n] = &locations[n];
        }
        part.n_location = n;
        write_part(writer, &part);
    }
}

/* The labels of one sample, after those that all have: the phase of the
 * outermost hook above its branch, the module of the innermost. */
static size_t add_labels(writer_t *writer, apr_uint32_t at,
                         Lpp__Pprof__Label **labels)
{
    static const char *const keys[] = { "phase", "module" };
    const lpp_calls_table_t *calls = writer->view->calls;
    unsigned i;

    if (writer->outermost == NULL
        || writer->outermost[at] == LPP_CALLS_NONE) {
        return LABELS_FIXED;
    }
    for (i = 0; i < LPP_COUNT(keys); i++) {
        Lpp__Pprof__Label *label = apr_palloc(writer->batch, sizeof(*label));

        if (label == NULL) {
            writer->status = APR_ENOMEM;
            return LABELS_FIXED;
        }
        lpp__pprof__label__init(label);
        label->key = text(writer, keys[i]);
        label->str = text(writer, i == 0
                          ? calls->calls[writer->outermost[at]].phase
                          : calls->calls[writer->innermost[at]].module);
        labels[LABELS_FIXED + i] = label;
    }
    return LABELS;
}

/* The stack of one line branch, leaf first. */
static int fill_sample(writer_t *writer, apr_uint32_t at,
                        Lpp__Pprof__Sample *sample,
                        Lpp__Pprof__Label **labels)
{
    const lpp_line_branch_t *lines = writer->view->line_branches;
    const lpp_line_branch_t *leaf = &lines[at];
    unsigned i;

    lpp__pprof__sample__init(sample);
    sample->n_location_id = writer->view->branches[leaf->branch].depth + 1;
    sample->location_id = apr_palloc(writer->batch, sample->n_location_id
                                     * sizeof(*sample->location_id));
    sample->n_value = VALUES;
    sample->value = apr_palloc(writer->batch,
                               VALUES * sizeof(*sample->value));
    sample->label = apr_pmemdup(writer->batch, labels,
                                LABELS * sizeof(*labels));
    if (!sample->location_id || !sample->value || !sample->label) {
        writer->status = APR_ENOMEM;
        return 0;
    }
    for (i = 0; i < VALUES; i++) {
        sample->value[i] = (int64_t)value_types[i].get(&leaf->self);
    }
    sample->n_label = add_labels(writer, leaf->branch, sample->label);
    for (sample->n_location_id = 0; at != LPP_NODE_NONE;
         at = lines[at].parent) {
        sample->location_id[sample->n_location_id++] = writer->locations[at];
    }
    return 1;
}

static int has_self(const lpp_view_t *view, apr_uint32_t at)
{
    const lpp_cost_t *self = &view->line_branches[at].self;

    /* a profile without time has the root */
    return self->wall_us != 0 || self->samples != 0
        || (at == 0 && view->total.wall_us == 0);
}

static void write_samples(writer_t *writer)
{
    const lpp_view_about_t *about = &writer->view->about;
    Lpp__Pprof__Sample samples[BATCH], *pointers[BATCH];
    Lpp__Pprof__Label labels[LABELS_FIXED], *label_pointers[LABELS];
    apr_uint32_t at = 0;
    unsigned i;

    memset(label_pointers, 0, sizeof(label_pointers));
    for (i = 0; i < LABELS_FIXED; i++) {
        lpp__pprof__label__init(&labels[i]);
        label_pointers[i] = &labels[i];
    }
    labels[0].key = text(writer, "oops");
    labels[0].str = text(writer, about->id);
    labels[1].key = text(writer, "page");
    labels[1].str = text(writer, about->page_id);
    labels[2].key = text(writer, "host");
    labels[2].str = text(writer, about->host);
    while (at < writer->view->line_branch_count
           && writer->status == APR_SUCCESS) {
        Lpp__Pprof__Profile part = LPP__PPROF__PROFILE__INIT;

        part.sample = pointers;
        for (; part.n_sample < BATCH
             && at < writer->view->line_branch_count; at++) {
            if (has_self(writer->view, at)) {
                if (!fill_sample(writer, at, &samples[part.n_sample],
                                 label_pointers)) {
                    return;
                }
                pointers[part.n_sample] = &samples[part.n_sample];
                part.n_sample++;
            }
        }
        write_part(writer, &part);
    }
}

static void write_strings(writer_t *writer)
{
    Lpp__Pprof__Profile part = LPP__PPROF__PROFILE__INIT;

    part.n_string_table = (size_t)writer->strings->nelts;
    part.string_table = (char **)writer->strings->elts;
    write_part(writer, &part);
    if (writer->status == APR_SUCCESS) {
        zip(writer, NULL, 0, 1);
    }
}

apr_status_t lpp_write_pprof(const lpp_view_t *view, const lpp_sink_t *sink,
                             apr_pool_t *scratch)
{
    writer_t writer;
    apr_status_t status;

    memset(&writer, 0, sizeof(writer));
    writer.view = view;
    writer.sink = sink;
    status = apr_pool_create(&writer.pool, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = apr_pool_create(&writer.batch, writer.pool);
    if (status != APR_SUCCESS) {
        goto leave;
    }
    status = APR_ENOMEM;
    writer.numbers = apr_hash_make(writer.pool);
    writer.strings = apr_array_make(writer.pool, 256, sizeof(char *));
    writer.mappings = apr_pcalloc(writer.pool, (LPP_OBJECTS_MAX + 1)
                                  * sizeof(*writer.mappings));
    if (writer.mappings == NULL || !make_locations(&writer)
        || lpp_view_branch_calls(view, &writer.outermost, &writer.innermost,
                                 writer.pool) != APR_SUCCESS
        || deflateInit2(&writer.zip, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8,
                        Z_DEFAULT_STRATEGY) != Z_OK) {
        goto leave;
    }
    text(&writer, ""); /* string 0 must be "" */
    write_head(&writer);
    write_samples(&writer);
    write_mappings(&writer);
    write_locations(&writer);
    write_functions(&writer);
    write_strings(&writer);
    deflateEnd(&writer.zip);
    status = writer.status;

leave:
    apr_pool_destroy(writer.pool);
    return status;
}
