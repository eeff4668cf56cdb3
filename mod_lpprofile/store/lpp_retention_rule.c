/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention_rule: reads and writes a rule as text: count, size, age,
 * failures.
 */
#include <string.h>

#include <apr_strings.h>

#include "store/lpp_retention.h"

#define COUNT_MAX APR_INT64_C(1000000000)
#define BYTES_MAX (APR_INT64_C(1) << 50)
#define DAY_US apr_time_from_sec(24 * 3600)
#define AGE_MAX_US (3650 * DAY_US)

typedef struct unit_t {
    const char *name;
    apr_int64_t factor;
} unit_t;

/* Largest last: say_in takes the last that fits. */
static const unit_t sizes[] = {{"", 1},
                               {"K", APR_INT64_C(1) << 10},
                               {"M", APR_INT64_C(1) << 20},
                               {"G", APR_INT64_C(1) << 30},
                               {NULL, 0}};
static const unit_t times[] = {{"s", APR_USEC_PER_SEC},
                               {"min", 60 * APR_USEC_PER_SEC},
                               {"h", 3600 * APR_USEC_PER_SEC},
                               {"d", 24 * 3600 * APR_USEC_PER_SEC},
                               {NULL, 0}};
static const unit_t plain[] = {{"", 1}, {NULL, 0}};

static const struct {
    const char *name;
    const unit_t *units;
    apr_int64_t max;
    const char *wanted;
} parts_known[] = {
    {"count=", plain, COUNT_MAX,
     "count must be a whole number from 1 to "
     "1000000000"},
    {"size=", sizes, BYTES_MAX,
     "size must be a number of bytes such as "
     "500000, 512K, 64M or 2G, from 1 to 1048576G"},
    {"age=", times, AGE_MAX_US,
     "age must be a time such as 90s, 30min, 12h "
     "or 7d, from 1s to 3650d"},
    {"failures=", plain, COUNT_MAX,
     "failures must be a whole number from 1 to "
     "1000000000"},
};

const lpp_retention_rule_t lpp_retention_rule_default = {
    1000, APR_INT64_C(64) << 20, 7 * DAY_US, 200};

/* 0 if text is not a number with one of units after it, or is over max. */
static apr_int64_t read_number(const char *text, const unit_t *units,
                               apr_int64_t max)
{
    apr_size_t digits = strspn(text, "0123456789");
    apr_int64_t number;

    if (digits == 0 || digits > 18) {
        return 0;
    }
    number = apr_atoi64(text); /* stops at the unit */
    for (; units->name; units++) {
        if (strcmp(text + digits, units->name) == 0) {
            return number <= max / units->factor ? number * units->factor : 0;
        }
    }
    return 0;
}

const char *lpp_retention_rule_read(lpp_retention_rule_t *rule, unsigned *parts,
                               const char *word)
{
    apr_int64_t *const values[] = {&rule->count, &rule->bytes, &rule->age_us,
                                   &rule->failures};
    unsigned i;

    for (i = 0; i < LPP_COUNT(parts_known); i++) {
        apr_size_t len = strlen(parts_known[i].name);
        apr_int64_t value;

        if (strncmp(word, parts_known[i].name, len) != 0) {
            continue;
        }
        if (*parts & (1u << i)) {
            return "this is given twice";
        }
        value =
            read_number(word + len, parts_known[i].units, parts_known[i].max);
        if (value < 1) {
            return parts_known[i].wanted;
        }
        *values[i] = value;
        *parts |= 1u << i;
        return NULL;
    }
    return "must be count=NUMBER, size=BYTES, age=TIME or failures=NUMBER, or "
           "several of them";
}

static const char *say_in(const unit_t *units, apr_int64_t value,
                          apr_pool_t *pool)
{
    const unit_t *best = units;

    for (; units->name; units++) {
        if (value % units->factor == 0) {
            best = units;
        }
    }
    return apr_psprintf(pool, "%" APR_INT64_T_FMT "%s", value / best->factor,
                        best->name);
}

const char *lpp_retention_rule_say(const lpp_retention_rule_t *rule,
                                   apr_pool_t *pool)
{
    return apr_pstrcat(pool, "count=", say_in(plain, rule->count, pool),
                       " size=", say_in(sizes, rule->bytes, pool),
                       " age=", say_in(times, rule->age_us, pool),
                       " failures=", say_in(plain, rule->failures, pool),
                       NULL);
}

int lpp_retention_rule_same(const lpp_retention_rule_t *a,
                            const lpp_retention_rule_t *b)
{
    return a->count == b->count && a->bytes == b->bytes
           && a->age_us == b->age_us && a->failures == b->failures;
}
