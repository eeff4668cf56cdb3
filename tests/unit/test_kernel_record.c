/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kernel_record: what the kernel writes into the ring of a perf event,
 * read record by record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/perf_event.h>

#include "sampling/lpp_kernel_ring_internal.h"

#define TID 4711
#define STACK_WORDS 4

/* Records, one after the other. */
typedef struct written_t {
    unsigned char bytes[8192];
    size_t len;
} written_t;

static void put_u32(written_t *to, apr_uint32_t value)
{
    memcpy(to->bytes + to->len, &value, 4);
    to->len += 4;
}

static void put_u64(written_t *to, apr_uint64_t value)
{
    memcpy(to->bytes + to->len, &value, 8);
    to->len += 8;
}

static size_t put_header(written_t *to, apr_uint32_t type, unsigned misc)
{
    struct perf_event_header header = { type, (apr_uint16_t)misc, 0 };

    memcpy(to->bytes + to->len, &header, sizeof(header));
    to->len += sizeof(header);
    return to->len - sizeof(header);
}

static void put_size(written_t *to, size_t start)
{
    struct perf_event_header header;

    memcpy(&header, to->bytes + start, sizeof(header));
    header.size = (apr_uint16_t)(to->len - start);
    memcpy(to->bytes + start, &header, sizeof(header));
}

static void put_id(written_t *to, apr_uint32_t tid, apr_uint64_t time)
{
    put_u32(to, 1);
    put_u32(to, tid);
    put_u64(to, time);
}

/* Each register has its place in the kernel's order as its value. */
static void put_state(written_t *to, apr_uint32_t tid, apr_uint64_t time)
{
    size_t start = put_header(to, PERF_RECORD_SAMPLE, 0);
    unsigned i;

    put_id(to, tid, time);
    put_u64(to, PERF_SAMPLE_REGS_ABI_64);
    for (i = 0; i < LPP_REGS; i++) {
        put_u64(to, 100 + i);
    }
    put_u64(to, STACK_WORDS * 8);
    for (i = 0; i < STACK_WORDS; i++) {
        put_u64(to, 0xabc0 + i);
    }
    put_u64(to, (STACK_WORDS - 1) * 8); /* the last word is filling */
    put_size(to, start);
}

static void put_switch(written_t *to, apr_uint32_t tid, apr_uint64_t time,
                       unsigned misc)
{
    size_t start = put_header(to, PERF_RECORD_SWITCH, misc);

    put_id(to, tid, time);
    put_size(to, start);
}

static void put_lost(written_t *to, apr_uint64_t lost, apr_uint64_t time)
{
    size_t start = put_header(to, PERF_RECORD_LOST, 0);

    put_u64(to, 7);
    put_u64(to, lost);
    put_id(to, TID, time);
    put_size(to, start);
}

static void a_state_has_registers_and_the_stack(void **state)
{
    lpp_kernel_record_t record;
    lpp_snapshot_t snapshot;
    written_t written = { .len = 0 };

    put_state(&written, TID, 5000);
    assert_true(lpp_kernel_record_read(written.bytes, written.len, &record));
    assert_int_equal(record.kind, LPP_KERNEL_STATE);
    assert_int_equal(record.size, written.len);
    assert_int_equal(record.tid, TID);
    assert_int_equal(record.time_ns, 5000);
    assert_int_equal(record.stack_len, (STACK_WORDS - 1) * 8);
    assert_int_equal(record.stack[0], 0xc0);
    assert_int_equal(record.stack[8], 0xc1);
    assert_true(lpp_kernel_record_registers(&record, &snapshot));
#if defined(__x86_64__)
    assert_int_equal(snapshot.regs[LPP_REG_SP], 107);
    assert_int_equal(snapshot.regs[LPP_REG_PC], 108);
    assert_int_equal(snapshot.regs[3], 101);  /* rbx */
    assert_int_equal(snapshot.regs[15], 116); /* r15 */
#else
    assert_int_equal(snapshot.regs[LPP_REG_SP], 100 + LPP_REG_SP);
    assert_int_equal(snapshot.regs[LPP_REG_PC], 100 + LPP_REG_PC);
#endif
}

static void a_thread_without_user_registers_has_no_state(void **state)
{
    lpp_kernel_record_t record;
    lpp_snapshot_t snapshot;
    written_t written = { .len = 0 };
    size_t start = put_header(&written, PERF_RECORD_SAMPLE, 0);

    put_id(&written, TID, 1);
    put_u64(&written, PERF_SAMPLE_REGS_ABI_NONE);
    put_u64(&written, 0); /* no stack */
    put_size(&written, start);
    assert_true(lpp_kernel_record_read(written.bytes, written.len, &record));
    assert_null(record.regs);
    assert_null(record.stack);
    assert_int_equal(record.stack_len, 0);
    assert_false(lpp_kernel_record_registers(&record, &snapshot));
}

static void switches_are_told_apart(void **state)
{
    static const struct {
        unsigned misc;
        lpp_kernel_kind_e kind;
        int preempted;
    } rows[] = {
        { 0, LPP_KERNEL_IN, 0 },
        { PERF_RECORD_MISC_SWITCH_OUT, LPP_KERNEL_OUT, 0 },
        { PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT,
          LPP_KERNEL_OUT, 1 },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        lpp_kernel_record_t record;
        written_t written = { .len = 0 };

        put_switch(&written, TID, 77, rows[i].misc);
        assert_true(lpp_kernel_record_read(written.bytes, written.len,
                                           &record));
        assert_int_equal(record.kind, rows[i].kind);
        assert_int_equal(record.preempted, rows[i].preempted);
        assert_int_equal(record.tid, TID);
        assert_int_equal(record.time_ns, 77);
    }
}

static void no_part_of_a_record_is_one(void **state)
{
    lpp_kernel_record_t record;
    written_t written = { .len = 0 };
    size_t len;

    put_state(&written, TID, 1);
    for (len = 0; len < written.len; len++) {
        assert_false(lpp_kernel_record_read(written.bytes, len, &record));
    }
}

static void a_record_that_is_too_short_for_its_type_is_none(void **state)
{
    static const apr_uint32_t types[] = {
        PERF_RECORD_SAMPLE, PERF_RECORD_SWITCH, PERF_RECORD_LOST
    };
    lpp_kernel_record_t record;
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        written_t written = { .len = 0 };
        size_t start = put_header(&written, types[i], 0);

        put_u64(&written, 1);
        put_size(&written, start);
        assert_false(lpp_kernel_record_read(written.bytes, written.len,
                                            &record));
    }
}

static void a_stack_that_is_longer_than_its_record_is_none(void **state)
{
    lpp_kernel_record_t record;
    written_t written = { .len = 0 };
    apr_uint64_t size = UINT64_MAX - 7;
    size_t at = 8 + 16 + 8 + LPP_REGS * 8;

    put_state(&written, TID, 1);
    memcpy(written.bytes + at, &size, sizeof(size));
    assert_false(lpp_kernel_record_read(written.bytes, written.len, &record));
}

/* A ring as the kernel maps it: a page for its ends, then the records. */
typedef struct fake_ring_t {
    struct perf_event_mmap_page control;
    unsigned char records[LPP_KERNEL_RING_BYTES];
} fake_ring_t;

static fake_ring_t fake;

/* begin: where in all that was ever written the first record stands. */
static void fill_ring(lpp_kernel_ring_t *ring, const written_t *written,
                      apr_uint64_t begin)
{
    size_t i;

    memset(ring, 0, sizeof(*ring));
    ring->map = &fake.control;
    ring->records = fake.records;
    ring->head = ring->tail = begin;
    for (i = 0; i < written->len; i++) {
        fake.records[(begin + i) % LPP_KERNEL_RING_BYTES] = written->bytes[i];
    }
    fake.control.data_tail = begin;
    fake.control.data_head = begin + written->len;
    lpp_kernel_ring_refresh(ring);
}

static void records_are_found_also_over_the_end_of_the_ring(void **state)
{
    written_t written = { .len = 0 };
    size_t before;

    put_state(&written, 1, 10); /* of another thread */
    put_state(&written, TID, 20);
    put_switch(&written, TID, 21, PERF_RECORD_MISC_SWITCH_OUT);
    put_lost(&written, 5, 22);
    put_switch(&written, 2, 23, 0);
    for (before = 0; before <= written.len; before += 8) {
        lpp_kernel_ring_t ring;
        const lpp_kernel_record_t *record;

        fill_ring(&ring, &written, 3 * LPP_KERNEL_RING_BYTES - before);
        record = lpp_kernel_ring_find(&ring, TID);
        assert_non_null(record);
        assert_ptr_equal(lpp_kernel_ring_find(&ring, TID), record);
        assert_int_equal(record->kind, LPP_KERNEL_STATE);
        assert_int_equal(record->time_ns, 20);
        assert_int_equal(record->stack[8], 0xc1);
        lpp_kernel_ring_done(&ring);
        record = lpp_kernel_ring_find(&ring, TID);
        assert_int_equal(record->kind, LPP_KERNEL_OUT);
        lpp_kernel_ring_done(&ring);
        record = lpp_kernel_ring_find(&ring, TID);
        assert_int_equal(record->kind, LPP_KERNEL_LOST);
        assert_int_equal(record->lost, 5);
        lpp_kernel_ring_done(&ring);
        assert_null(lpp_kernel_ring_find(&ring, TID));
        assert_int_equal(fake.control.data_tail, fake.control.data_head);
    }
}

static void a_ring_without_sense_is_emptied(void **state)
{
    written_t written = { .len = 64 };
    lpp_kernel_ring_t ring;
    const lpp_kernel_record_t *record;

    fill_ring(&ring, &written, 0); /* a record of no bytes */
    record = lpp_kernel_ring_find(&ring, TID);
    assert_int_equal(record->kind, LPP_KERNEL_LOST);
    lpp_kernel_ring_done(&ring);
    assert_int_equal(fake.control.data_tail, 64);

    fake.control.data_head = UINT64_MAX / 2; /* more than it can hold */
    lpp_kernel_ring_refresh(&ring);
    record = lpp_kernel_ring_find(&ring, TID);
    assert_int_equal(record->kind, LPP_KERNEL_LOST);
    lpp_kernel_ring_done(&ring);
    assert_int_equal(fake.control.data_tail, fake.control.data_head);
    assert_null(lpp_kernel_ring_find(&ring, TID));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_has_registers_and_the_stack),
        cmocka_unit_test(a_thread_without_user_registers_has_no_state),
        cmocka_unit_test(switches_are_told_apart),
        cmocka_unit_test(no_part_of_a_record_is_one),
        cmocka_unit_test(a_record_that_is_too_short_for_its_type_is_none),
        cmocka_unit_test(a_stack_that_is_longer_than_its_record_is_none),
        cmocka_unit_test(records_are_found_also_over_the_end_of_the_ring),
        cmocka_unit_test(a_ring_without_sense_is_emptied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
