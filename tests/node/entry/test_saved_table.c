/* SPDX-License-Identifier: MIT
 *
 * Tables of other programs: those that the real ones have written (tests/data),
 * made by hand at the limits, and broken in every way that is said.
 */
#include "node/entry/saved_table.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct saved_table table;
static struct text why;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    saved_table_deinit(&table);
    text_deinit(&why);
    return 0;
}

static void assert_has(const char *endpoint)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(endpoint, &ep), OK);
    for (size_t i = 0; i < table.count; i++)
        if (endpoint_equal(&table.at[i], &ep))
            return;
    fail_msg("%s is not among the %zu", endpoint, table.count);
}

static void assert_reads(struct bytes file)
{
    enum error err;

    text_clear(&why);
    err = saved_table_read(&table, file, &why);

    assert_string_equal(text_get(&why), "");
    assert_int_equal(err, OK);
}

static void assert_refuses(struct bytes file, const char *what)
{
    size_t before = table.count;

    text_clear(&why);
    assert_int_equal(saved_table_read(&table, file, &why), ERR_SYNTAX);
    if (strstr(text_get(&why), what) == NULL)
        fail_msg("'%s' does not say '%s'", text_get(&why), what);
    assert_int_equal(table.count, before);
}

/* ---- Files of the programs ---------------------------------------------- */

/* Each was saved by a program in a network of nodes at port 7881 of 10.77/16
 * and fd77::/16: eight of ours, but for Transmission, which saves no table of
 * less than 40, a thousand that only answered. */
static const struct {
    const char *name;
    bool ipv4, ipv6;
} saved[] = {
    {"transmission-dht.dat", true, false}, {"libtorrent-state", true, true},
    {"libtorrent-params", true, true},     {"aria2-dht.dat", true, false},
    {"aria2-dht6.dat", false, true},
};

static void test_saved_table_of_each_program(void **state)
{
    unsigned least = 4;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(saved); i++) {
        unsigned of[FAMILIES] = {0};
        char path[512];

        snprintf(path, sizeof(path), "tests/data/saved/%s", saved[i].name);
        saved_table_deinit(&table);
        text_clear(&why);
        if (saved_table_load(&table, path, &why) != OK)
            fail_msg("%s", text_get(&why));
        for (size_t k = 0; k < table.count; k++) {
            static const uint8_t v4[] = {10, 77}, v6[] = {0xfd, 0x77};
            const struct endpoint *ep = &table.at[k];
            bool is_v6 = ep->family == FAMILY_IPV6;

            assert_memory_equal(ep->addr, is_v6 ? v6 : v4, 2);
            of[ep->family] += ep->port == 7881;
        }
        if (saved[i].ipv4)
            assert_in_range(of[FAMILY_IPV4], least, 300);
        else
            assert_int_equal(of[FAMILY_IPV4], 0);
        if (saved[i].ipv6)
            assert_in_range(of[FAMILY_IPV6], least, 300);
        else
            assert_int_equal(of[FAMILY_IPV6], 0);
    }
}

/* ---- Bencode ------------------------------------------------------------- */

#define A4 "\x0a\x00\x00\x01\x1a\xe1"
#define B4 "\x0a\x00\x00\x02\x1a\xe1"
#define A6 "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1"

static void test_saved_table_of_bencode(void **state)
{
    (void)state;
    assert_reads(TEST_BYTES("d2:id3:abc5:nodes12:" A4 B4 "6:nodes618:" A6 "e"));
    assert_int_equal(table.count, 3);
    assert_has("10.0.0.1:6881");
    assert_has("10.0.0.2:6881");
    assert_has("[fd77::1]:6881");
    /* What is there already is not there twice. */
    assert_reads(TEST_BYTES("d9:dht stated5:nodesl6:" B4 "18:" A6 "eee"));
    assert_int_equal(table.count, 3);
    /* Keys of a program that knows nobody yet. */
    assert_reads(TEST_BYTES("d9:dht stated7:node-id3:abcee"));
    assert_reads(TEST_BYTES("d5:nodes0:e"));
    assert_reads(TEST_BYTES("d5:nodeslee"));
    assert_int_equal(table.count, 3);
}

/* Addresses at which nobody can be are passed over. */
static void test_saved_table_passes_over_what_is_no_address(void **state)
{
    (void)state;
    assert_reads(TEST_BYTES("d5:nodesl6:\0\0\0\0\x1a\xe1"
                            "6:\x0a\0\0\x01\0\0"
                            "6:\xe0\0\0\x01\x1a\xe1"
                            "5:short6:" A4 "ee"));
    assert_int_equal(table.count, 1);
    assert_has("10.0.0.1:6881");
}

static void test_saved_table_of_bencode_says_what_is_wrong(void **state)
{
    (void)state;
    assert_reads(TEST_BYTES("d5:nodes6:" A4 "e"));
    assert_refuses(TEST_BYTES(""), "is empty; what can be read is dht.dat");
    assert_refuses(TEST_BYTES("hello"), "is no saved table; what can be read");
    assert_refuses(TEST_BYTES("d5:nodes6:" A4), "copy the whole file");
    assert_refuses(TEST_BYTES("d5:nodes6:" A4 "ex"), "copy the whole file");
    assert_refuses(TEST_BYTES("d4:infod6:lengthi1eee"),
                   "neither `nodes` nor `dht state`");
    assert_refuses(TEST_BYTES("d9:dht state3:abce"), "neither `nodes`");
    assert_refuses(TEST_BYTES("d5:nodes7:" A4 "xe"), "6 bytes each");
    assert_refuses(TEST_BYTES("d5:nodesi7ee"), "6 bytes each");
    assert_refuses(TEST_BYTES("d5:nodes6:" B4 "6:nodes6li7eee"),
                   "no compact addresses");
    assert_int_equal(table.count, 1);
}

static void test_saved_table_is_bounded(void **state)
{
    size_t count = SAVED_TABLE_NODES + 100, len;
    uint8_t *file = malloc(64 + 6 * count);

    (void)state;
    assert_non_null(file);
    len = (size_t)sprintf((char *)file, "d5:nodes%zu:", 6 * count);
    for (size_t i = 0; i < count; i++, len += 6) {
        uint8_t at[] = {10, 1, (uint8_t)(i >> 8), (uint8_t)i, 0x1a, 0xe1};

        memcpy(file + len, at, sizeof(at));
    }
    file[len++] = 'e';
    assert_reads(bytes_of(file, len));
    assert_int_equal(table.count, SAVED_TABLE_NODES);
    free(file);
}

/* ---- aria2 --------------------------------------------------------------- */

#define HEAD  56
#define ENTRY 56

/* A file with entries that it says it has; `lens` gives their first bytes. */
static size_t make_aria2(uint8_t *out, uint8_t version, uint32_t says,
                         const uint8_t *lens, size_t entries)
{
    static const uint8_t head[] = {0xa1, 0xa2, 0x02, 0, 0, 0, 0};
    uint8_t *at = out + HEAD;

    memset(out, 0, HEAD + entries * ENTRY);
    memcpy(out, head, sizeof(head));
    out[7] = version;
    bytes_put_number(out + 48, 4, says);
    for (size_t i = 0; i < entries; i++, at += ENTRY) {
        at[0] = lens[i];
        memcpy(at + 8, lens[i] == 18 ? A6 : A4, lens[i] == 18 ? 18 : 6);
        at[8 + (lens[i] == 18 ? 15 : 3)] = (uint8_t)(1 + i);
    }
    return HEAD + entries * ENTRY;
}

static void test_saved_table_of_aria2(void **state)
{
    static const uint8_t lens[] = {6, 18, 7, 255, 0, 6};
    uint8_t file[HEAD + 6 * ENTRY];

    (void)state;
    for (uint8_t version = 2; version <= 3; version++) {
        saved_table_deinit(&table);
        assert_reads(bytes_of(file, make_aria2(file, version, 6, lens, 6)));
        assert_int_equal(table.count, 3);
        assert_has("10.0.0.1:6881");
        assert_has("[fd77::2]:6881");
        assert_has("10.0.0.6:6881");
    }
}

static void test_saved_table_of_aria2_says_what_is_wrong(void **state)
{
    static const uint8_t lens[] = {6, 6};
    uint8_t file[HEAD + 2 * ENTRY];
    size_t len;

    (void)state;
    assert_refuses(bytes_of(file, make_aria2(file, 4, 2, lens, 2)),
                   "of version 4; those of versions 2 and 3");
    len = make_aria2(file, 3, 2, lens, 2);
    for (size_t cut = 8; cut < len; cut++)
        assert_refuses(bytes_of(file, cut), "ends too early");
    assert_reads(bytes_of(file, len));
    assert_refuses(bytes_of(file, make_aria2(file, 3, UINT32_MAX, lens, 2)),
                   "ends too early");
}

/* ---- Anything ------------------------------------------------------------ */

/* Bytes that were right once: no more than an error comes of it. */
static void test_saved_table_of_anything(void **state)
{
    static const uint8_t lens[] = {6, 18, 6};
    struct test_random random = test_seed(20261128);
    struct bytes example = TEST_BYTES(
        "d9:dht stated7:node-idl3:abce5:nodesl6:" A4 "e6:nodes6l18:" A6 "eee");
    uint8_t file[HEAD + 3 * ENTRY];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = i % 2 == 0 ? make_aria2(file, 3, 3, lens, 3) : example.len;

        if (i % 2 == 1)
            memcpy(file, example.p, len);
        for (unsigned n = test_random_below(&random, 4) + 1; n > 0; n--)
            file[test_random_below(&random, (uint32_t)len)] =
                (uint8_t)test_random_next(&random);
        len -= test_random_below(&random, 4) == 0
                   ? test_random_below(&random, (uint32_t)len)
                   : 0;
        text_clear(&why);
        if (saved_table_read(&table, bytes_of(file, len), &why) != OK)
            assert_true(text_get(&why)[0] != '\0');
    }
    assert_true(table.count > 100 && table.count <= SAVED_TABLE_NODES);
}

/* ---- Files --------------------------------------------------------------- */

static void assert_path_fails(const char *path, enum error err,
                              const char *what)
{
    text_clear(&why);
    assert_int_equal(saved_table_load(&table, path, &why), err);
    assert_true(strncmp(text_get(&why), path, strlen(path)) == 0);
    if (strstr(text_get(&why), what) == NULL)
        fail_msg("'%s' does not say '%s'", text_get(&why), what);
}

static void test_saved_table_of_files_that_are_none(void **state)
{
    char dir[] = "/tmp/warren-saved-XXXXXX", path[64];
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/table", dir);
    assert_path_fails(path, ERR_IO, "No such file");
    assert_path_fails(dir, ERR_SYNTAX, "is a directory, not a file");
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody ever writes to it */
    assert_path_fails(path, ERR_SYNTAX, "is a FIFO, not a file");
    unlink(path);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_path_fails(path, ERR_SYNTAX, "is empty");
    assert_int_equal(ftruncate(fileno(f), SAVED_TABLE_BYTES + 1), 0);
    assert_path_fails(path, ERR_SYNTAX, "has more than 1024 KiB");
    fclose(f);
    unlink(path);
    rmdir(dir);
}

/* Those that are there are read. */
static void test_saved_table_of_files_that_are_missing(void **state)
{
    struct config_files files = {.count = 3};
    char dir[] = "/tmp/warren-saved-XXXXXX";
    struct text unread;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (unsigned i = 0; i < files.count; i++)
        snprintf(files.at[i], sizeof(files.at[i]), "%s/%u", dir, i);
    f = fopen(files.at[1], "w");
    assert_non_null(f);
    fwrite("d5:nodes6:" A4 "e", 1, 17, f);
    fclose(f);
    saved_table_deinit(&table);
    text_init(&unread, 1024);
    text_clear(&why);
    assert_int_equal(saved_table_load_all(&table, &files, &unread, &why), OK);
    assert_int_equal(table.count, 1);
    assert_string_equal(text_get(&why), "");
    assert_int_equal(
        strncmp(text_get(&unread), "bootstrap_files in [mainline]: /tmp/", 36),
        0);
    assert_non_null(strstr(text_get(&unread), files.at[0]));
    assert_null(strstr(text_get(&unread), files.at[1]));
    assert_non_null(strstr(text_get(&unread), files.at[2]));
    f = fopen(files.at[1], "w");
    assert_non_null(f);
    fputs("x", f);
    fclose(f);
    assert_int_equal(saved_table_load_all(&table, &files, &unread, &why),
                     ERR_SYNTAX);
    assert_non_null(strstr(text_get(&why), files.at[1]));
    text_deinit(&unread);
    unlink(files.at[1]);
    rmdir(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_saved_table_of_each_program),
        TEST(test_saved_table_of_bencode),
        TEST(test_saved_table_passes_over_what_is_no_address),
        TEST(test_saved_table_of_bencode_says_what_is_wrong),
        TEST(test_saved_table_is_bounded),
        TEST(test_saved_table_of_aria2),
        TEST(test_saved_table_of_aria2_says_what_is_wrong),
        TEST(test_saved_table_of_anything),
        TEST(test_saved_table_of_files_that_are_none),
        TEST(test_saved_table_of_files_that_are_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
