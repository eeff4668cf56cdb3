/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_prepare: how the parent process makes the directory of profiles and
 * whom it trusts on the way there. Cases that need root (another owner) are
 * skipped without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "store/lpp_store.h"
#include "store_files.h"

static const char *warning; /* of the last prepare */

static apr_status_t prepare_for(fixture_t *f, const char *path, int shared,
                                const char **why)
{
    *why = NULL;
    return lpp_store_prepare(path, geteuid() == 0 ? USER : geteuid(),
                             geteuid() == 0 ? USER : getegid(), shared, why,
                             &warning, f->pool);
}

static apr_status_t prepare(fixture_t *f, const char *path, const char **why)
{
    return prepare_for(f, path, 0, why);
}

static void prepare_makes_missing_directories(void **state)
{
    fixture_t *f = *state;
    const char *why, *path = in(f, "a/./b//c/.");
    mode_t mask = umask(0777);
    struct stat st;

    /* User must be able to pass */
    assert_int_equal(chmod(f->dir, 0711), 0);
    if (prepare(f, path, &why) != APR_SUCCESS) {
        fail_msg("refused: %s", why);
    }
    umask(mask);
    assert_int_equal(stat(in(f, "a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(st.st_uid, geteuid() == 0 ? USER : geteuid());
    assert_int_equal(stat(in(f, "a/b"), &st), 0);
    assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? 0711 : 0700);
    assert_int_equal(st.st_uid, geteuid());
    /* and again */
    assert_int_equal(prepare(f, path, &why), APR_SUCCESS);
}

static void prepare_never_gives_away_what_exists(void **state)
{
    fixture_t *f = *state;
    struct stat st;
    const char *why;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "there"), 0755), 0);
    assert_int_equal(prepare(f, in(f, "there"), &why), APR_EACCES);
    assert_true(why[0]);
    assert_int_equal(stat(in(f, "there"), &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

static void prepare_refuses_a_link_a_file_and_nonsense(void **state)
{
    fixture_t *f = *state;
    const char *why;

    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "real"), 0700), 0);
    assert_int_equal(geteuid() == 0 ? chown(in(f, "real"), USER, USER) : 0, 0);
    assert_int_equal(symlink("real", in(f, "link")), 0);
    assert_int_equal(prepare(f, in(f, "link"), &why), APR_EACCES);
    assert_true(why[0]);
    assert_int_equal(prepare(f, in(f, "link/."), &why), APR_EACCES);
    assert_int_equal(prepare(f, in(f, "real"), &why), APR_SUCCESS);
    close(creat(in(f, "file"), 0600));
    assert_int_not_equal(prepare(f, in(f, "file"), &why), APR_SUCCESS);
    assert_int_not_equal(prepare(f, in(f, "file/x"), &why), APR_SUCCESS);
    assert_int_equal(prepare(f, "relative/path", &why), APR_EINVAL);
    assert_int_equal(prepare(f, "", &why), APR_EINVAL);
    assert_int_equal(prepare(f, "/", &why), APR_EINVAL);
    assert_true(why[0]);
    assert_int_equal(symlink("loop", in(f, "loop")), 0);
    assert_int_equal(prepare(f, in(f, "loop/x"), &why), ELOOP);
}

static void prepare_follows_a_trusted_link_on_the_way(void **state)
{
    fixture_t *f = *state;
    const char *why;

    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "real"), 0711), 0);
    assert_int_equal(symlink(in(f, "real"), in(f, "absolute")), 0);
    assert_int_equal(symlink("./absolute/", in(f, "link")), 0);
    assert_int_equal(prepare(f, in(f, "link/../link/x"), &why), 0);
    assert_int_equal(prepare(f, in(f, "link/x"), &why), APR_SUCCESS);
    assert_int_equal(access(in(f, "real/x"), F_OK), 0);
    if (geteuid() == 0) {
        assert_int_equal(lchown(in(f, "link"), USER, USER), 0);
        assert_int_equal(prepare(f, in(f, "link/y"), &why), APR_EACCES);
        assert_int_equal(access(in(f, "real/y"), F_OK), -1);
    }
}

static void prepare_refuses_below_what_user_may_change(void **state)
{
    fixture_t *f = *state;
    static const mode_t modes[] = {0777, 0775};
    const char *why;
    unsigned i;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "users"), 0755), 0);
    assert_int_equal(chown(in(f, "users"), USER, 0), 0);
    assert_int_equal(prepare(f, in(f, "users/x"), &why), APR_EACCES);
    assert_int_equal(mkdir(in(f, "users/old"), 0777), 0);
    assert_int_equal(chmod(in(f, "users/old"), 0777), 0);
    assert_int_equal(prepare(f, in(f, "users/old"), &why), APR_EACCES);
    for (i = 0; i < LPP_COUNT(modes); i++) {
        const char *dir = in(f, apr_psprintf(f->pool, "open%u", i));

        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(chown(dir, 0, USER), 0);
        assert_int_equal(chmod(dir, modes[i]), 0);
        assert_int_equal(
            prepare(f, apr_pstrcat(f->pool, dir, "/a/b", NULL), &why),
            APR_EACCES);
        assert_int_equal(count_files(dir), 0);
    }
    assert_int_equal(mkdir(in(f, "sticky"), 0700), 0);
    assert_int_equal(chmod(in(f, "sticky"), 01777), 0);
    assert_int_equal(prepare(f, in(f, "sticky/a"), &why), APR_SUCCESS);
}

/* What somebody else than root and User could do. */
static void prepare_refuses_or_warns_of_what_others_may_change(void **state)
{
    static const struct {
        const char *name;
        uid_t uid;
        gid_t gid;
        mode_t mode;
        int fine, shared_fine; /* -1: with a warning */
        const char *said;
    } cases[] = {
        {"own", USER, USER, 0700, 1, 1, NULL},
        {"passable", USER, USER, 0711, 1, 1, NULL},
        {"other", USER + 1, USER, 0770, 0, 0, "belongs to another user"},
        {"open", USER, USER, 0777, 0, 0, "by everybody"},
        {"sticky", 0, 0, 01777, 0, 0, "by everybody"},
        {"group", USER, USER + 1, 0770, 0, -1, "by its group"},
        {"own-group", USER, USER, 0770, 0, -1, "by its group"},
        {"roots", 0, USER, 0770, -1, -1, "by its group"},
        {"readable", USER, USER, 0755, 1, 1, NULL},
        {"readers", USER, USER + 1, 0750, 1, 1, NULL},
    };
    fixture_t *f = *state;
    const char *why;
    unsigned i;
    int shared;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    for (i = 0; i < LPP_COUNT(cases); i++) {
        const char *path = in(f, cases[i].name);

        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(chown(path, cases[i].uid, cases[i].gid), 0);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        for (shared = 0; shared < 2; shared++) {
            int fine = shared ? cases[i].shared_fine : cases[i].fine;
            apr_pool_t *pool = f->pool; /* of another start */
            apr_status_t rv;

            apr_pool_create(&f->pool, pool);
            rv = prepare_for(f, path, shared, &why);
            f->pool = pool;

            if ((rv == APR_SUCCESS) != (fine != 0)
                || (warning != NULL) != (fine < 0)
                || (fine < 1
                    && !strstr(fine ? warning : why, cases[i].said))) {
                fail_msg("%s, shared %d: %d %s %s", path, shared, rv, why,
                         warning ? warning : "");
            }
        }
    }
    /* once, for all hosts that share it */
    assert_int_equal(prepare(f, in(f, "roots"), &why), APR_SUCCESS);
    assert_non_null(warning);
    assert_int_equal(prepare(f, in(f, "roots"), &why), APR_SUCCESS);
    assert_null(warning);
}

static void prepare_looks_at_all_ancestors(void **state)
{
    static const struct {
        uid_t uid;
        gid_t gid;
        mode_t mode;
        int fine; /* -1: with a warning */
        const char *said;
    } cases[] = {
        {0, 0, 0755, 1, NULL},
        {0, USER + 1, 0755, 1, NULL},
        {USER + 1, 0, 0755, 0, "belongs to another user"},
        {0, 0, 0777, 0, NULL}, /* User may, too */
        {0, USER + 1, 0775, -1, "by its group"},
        {0, 0, 01777, 1, NULL},
        {0, USER + 1, 03775, 1, NULL},
    };
    fixture_t *f = *state;
    unsigned i;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    for (i = 0; i < LPP_COUNT(cases); i++) {
        const char *dir = in(f, apr_psprintf(f->pool, "above%u", i)), *why;
        apr_status_t rv;

        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(chown(dir, cases[i].uid, cases[i].gid), 0);
        assert_int_equal(chmod(dir, cases[i].mode), 0);
        rv = prepare(f, apr_pstrcat(f->pool, dir, "/a/b", NULL), &why);
        if ((rv == APR_SUCCESS) != (cases[i].fine != 0)
            || (warning != NULL) != (cases[i].fine < 0)
            || (cases[i].said
                && (!strstr(rv ? why : warning, cases[i].said)
                    || !strstr(rv ? why : warning, dir)))) {
            fail_msg("%s: %d %s %s", dir, rv, why, warning ? warning : "");
        }
        assert_int_equal(access(apr_pstrcat(f->pool, dir, "/a", NULL), F_OK),
                         cases[i].fine ? 0 : -1);
    }
}

static void prepare_makes_oopses_below_profiles_as_user(void **state)
{
    fixture_t *f = *state;
    struct stat st;
    const char *why;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(prepare(f, in(f, "p"), &why), APR_SUCCESS);
    assert_int_equal(prepare(f, in(f, "p/x/oops"), &why), APR_SUCCESS);
    assert_int_equal(stat(in(f, "p/x/oops"), &st), 0);
    assert_int_equal(st.st_uid, USER);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(in(f, "p/x"), &st), 0);
    assert_int_equal(st.st_uid, USER);
    /* User may have turned it into a link: root must not follow */
    assert_int_equal(mkdir(in(f, "roots"), 0700), 0);
    assert_int_equal(symlink("../roots", in(f, "p/evil")), 0);
    assert_int_equal(prepare(f, in(f, "p/evil/y"), &why), APR_EACCES);
    assert_int_equal(prepare(f, in(f, "p/../roots/y"), &why), APR_EINVAL);
    assert_int_equal(count_files(in(f, "roots")), 0);
}

static int open_makes_the_last_component(fixture_t *f)
{
    lpp_store_t *store;

    return lpp_store_open(&store, in(f, "oops"), f->pool) != APR_SUCCESS
           || lpp_store_open(&store, in(f, "no/oops"), f->pool) != ENOENT;
}

static void open_makes_only_without_root(void **state)
{
    fixture_t *f = *state;
    lpp_store_t *store;

    if (geteuid() != 0) {
        assert_int_equal(open_makes_the_last_component(f), 0);
        return;
    }
    assert_int_equal(lpp_store_open(&store, in(f, "oops"), f->pool), ENOENT);
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(as_user(open_makes_the_last_component, f), 0);
}

static int prepare_as_user(fixture_t *f)
{
    const char *why;

    return prepare(f, in(f, "open/new/dir"), &why) != APR_SUCCESS
           || prepare(f, in(f, "closed/new"), &why) != APR_EACCES || !why[0]
           || prepare(f, in(f, "closed"), &why) != APR_EACCES;
}

static void prepare_works_without_root(void **state)
{
    fixture_t *f = *state;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "open"), 0777), 0);
    assert_int_equal(chmod(in(f, "open"), 01777), 0);
    assert_int_equal(mkdir(in(f, "closed"), 0755), 0);
    assert_int_equal(as_user(prepare_as_user, f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(prepare_makes_missing_directories),
        WITH_DIR(prepare_never_gives_away_what_exists),
        WITH_DIR(prepare_refuses_a_link_a_file_and_nonsense),
        WITH_DIR(prepare_follows_a_trusted_link_on_the_way),
        WITH_DIR(prepare_refuses_below_what_user_may_change),
        WITH_DIR(prepare_refuses_or_warns_of_what_others_may_change),
        WITH_DIR(prepare_looks_at_all_ancestors),
        WITH_DIR(prepare_makes_oopses_below_profiles_as_user),
        WITH_DIR(open_makes_only_without_root),
        WITH_DIR(prepare_works_without_root),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests_name("store prepare", tests, NULL, NULL);
    apr_terminate();
    return rc;
}
