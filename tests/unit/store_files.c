/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "store_files.h"

const char *in(fixture_t *f, const char *name)
{
    return apr_pstrcat(f->pool, f->dir, "/", name, NULL);
}

int set_up(void **state)
{
    fixture_t *f = calloc(1, sizeof(*f));
    char dir[] = "/tmp/lpp-test-store-XXXXXX";

    apr_pool_create(&f->pool, NULL);
    if (!mkdtemp(dir)) {
        return -1;
    }
    f->dir = apr_pstrdup(f->pool, dir);
    *state = f;
    return lpp_store_open(&f->store, f->dir, f->pool) == APR_SUCCESS ? 0 : -1;
}

int tear_down(void **state)
{
    fixture_t *f = *state;
    char *command =
        apr_psprintf(f->pool, "chmod -R u+rwx %s; rm -rf %s", f->dir, f->dir);
    int rc = system(command);

    apr_pool_destroy(f->pool);
    free(f);
    return rc;
}

int count_files(const char *dir)
{
    char command[512], text[32] = "";
    FILE *pipe;

    snprintf(command, sizeof(command), "find %s -mindepth 1 | wc -l", dir);
    pipe = popen(command, "r");
    if (!pipe || !fgets(text, sizeof(text), pipe)) {
        fail();
    }
    pclose(pipe);
    return atoi(text);
}

apr_status_t write_file(fixture_t *f, const char *sub, const char *name,
                        const char *text)
{
    lpp_store_file_t *file;
    apr_status_t rv = lpp_store_begin(f->store, sub, name, &file, f->pool);

    if (rv == APR_SUCCESS) {
        rv = lpp_sink_write(lpp_store_sink(file), text, strlen(text));
        if (rv == APR_SUCCESS) {
            return lpp_store_finish(file, NULL);
        }
        lpp_store_abort(file);
    }
    return rv;
}

const char *read_file(fixture_t *f, const char *path)
{
    char *text = apr_pcalloc(f->pool, 4096);
    FILE *in_file = fopen(path, "r");

    if (!in_file) {
        return NULL;
    }
    if (fread(text, 1, 4095, in_file) == 0) {
        text[0] = '\0';
    }
    fclose(in_file);
    return text;
}

int as_user(int (*function)(fixture_t *f), fixture_t *f)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (setgid(USER) != 0 || setuid(USER) != 0) {
            _exit(99);
        }
        _exit(function(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

void need_root(void)
{
    if (geteuid() != 0) {
        skip();
    }
}
