/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: main() for a fuzz target where libFuzzer is not: runs every file
 * given (the corpus), each also cut short and with single bytes changed, then
 * as many inputs of a fixed pseudo-random sequence as REPLAY_RANDOM says. The
 * target finds faults by itself and aborts; no input at all is a failure.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#define INPUT_MAX_BYTES 65536
#define VARIANTS 64
#define RANDOM_INPUTS 20000
#define RANDOM_MAX_BYTES 96
#define WORD_MAX_BYTES 64
/* So many inputs in turn use one APR allocator: to get its memory from the
 * system for each input is most of the work. Then it is given up, so that a
 * pointer kept from an earlier input leads nowhere. */
#define APR_INPUTS 100
#define FREE_MAX_BYTES (64 << 20) /* which malloc keeps, for the same reason */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* A copy of exactly that size, so that a sanitizer sees a read past it. */
static void run(const uint8_t *data, size_t size)
{
    static unsigned inputs;
    uint8_t *exact = malloc(size ? size : 1);

    if (!exact) {
        abort();
    }
    if (inputs % APR_INPUTS == 0) {
        apr_initialize();
    }
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    if (++inputs % APR_INPUTS == 0) {
        apr_terminate();
    }
}

static void run_variants(uint8_t *data, size_t size)
{
    int i;

    for (i = 0; size && i < VARIANTS; i++) {
        size_t at = next_random() % size;
        uint8_t kept = data[at];

        run(data, at);
        data[at] = (uint8_t)next_random();
        run(data, size);
        data[at] = kept;
    }
}

static int run_file(const char *path)
{
    static uint8_t data[INPUT_MAX_BYTES];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file) {
        perror(path);
        return 1;
    }
    size = fread(data, 1, sizeof(data), file);
    fclose(file);
    run(data, size);
    run_variants(data, size);
    return 0;
}

/* Pieces that parsers look for, between bytes of all kinds. */
static size_t make_random(uint8_t *data)
{
    static const char *const words[] = {
        "++profile++", "%2B", "%", "/", "&", ":", "|", "</body>", "</BODY >",
        "<", ">", "\"", "'", "password=", "?", "=", "://", "@", "..",
        "startswith ", "includes ", "\r\n", "\\", "\xc3\xa9", "OOPS-",
        "<!--", "-->", "--!>", "</html>", "<script>", "</script>", "<title/>",
        "<p a='", "<![CDATA[", "]]>", "</", "-", "!", " ", "<meta ",
        "http-equiv=Content-Security-Policy ", "content=", "style-src "
    };
    size_t used = 0, wanted = next_random() % RANDOM_MAX_BYTES;

    while (used < wanted) {
        uint32_t pick = next_random();

        if (pick % 3) {
            const char *word = words[pick % (sizeof(words) / sizeof(*words))];

            memcpy(data + used, word, strlen(word));
            used += strlen(word);
        }
        else {
            data[used++] = (uint8_t)(pick >> 8);
        }
    }
    return used;
}

int main(int argc, char **argv)
{
    const char *asked = getenv("REPLAY_RANDOM");
    long left = asked ? atol(asked) : RANDOM_INPUTS;
    uint8_t data[RANDOM_MAX_BYTES + WORD_MAX_BYTES];
    int i;

    if (argc < 2) {
        fprintf(stderr, "%s: no corpus\n", argv[0]);
        return 2;
    }
    mallopt(M_TRIM_THRESHOLD, FREE_MAX_BYTES);
    for (i = 1; i < argc; i++) {
        if (run_file(argv[i])) {
            return 1;
        }
    }
    for (; left > 0; left--) {
        run(data, make_random(data));
    }
    printf("%s: %d files of the corpus and random inputs: fine\n", argv[0],
           argc - 1);
    return 0;
}
