/* SPDX-License-Identifier: MIT
 *
 * A file of test vectors, made by the code: each line is a name and bytes in
 * hex, which go on in lines that begin with blanks. Where the file says
 * anything else than the code, the test fails; WARREN_WRITE_VECTORS=1 has it
 * write the file. Included after cmocka.h.
 */
#ifndef WARREN_TESTS_VECTORS_H
#define WARREN_TESTS_VECTORS_H

#include "testing.h"

#define VECTORS_MAX  65536
#define VECTORS_LINE 32 /* bytes */

static char vectors[VECTORS_MAX];
static size_t vectors_len;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(vectors + vectors_len, VECTORS_MAX - vectors_len, format,
                  args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < VECTORS_MAX - vectors_len);
    vectors_len += (size_t)n;
}

static void put_bytes(const char *name, const uint8_t *p, size_t len)
{
    put("%s", name);
    for (size_t i = 0; i < len; i++)
        put("%s%02x", i % VECTORS_LINE == 0 ? "\n    " : "", p[i]);
    put("\n");
}

static inline void put_counter(const char *name, uint64_t counter)
{
    put("%s\n    %016" PRIx64 "\n", name, counter);
}

/* "name.2", valid until the next call. */
static inline const char *nth(const char *name, unsigned n)
{
    static char out[64];

    snprintf(out, sizeof(out), "%.48s.%u", name, n);
    return out;
}

/* Compares what was put with the file, after writing it if that is wanted. */
static void vectors_compare(const char *document)
{
    static char found[VECTORS_MAX];
    FILE *file;
    size_t len;

    if (getenv("WARREN_WRITE_VECTORS") != NULL) {
        file = fopen(document, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(vectors, 1, vectors_len, file), vectors_len);
        assert_int_equal(fclose(file), 0);
    }
    file = fopen(document, "r");
    assert_non_null(file);
    len = fread(found, 1, sizeof(found), file);
    fclose(file);
    assert_int_equal(len, vectors_len);
    assert_memory_equal(found, vectors, vectors_len);
}

#endif
