/* SPDX-License-Identifier: MIT
 *
 * Files that are damaged, and directories that cannot be used.
 */
#include "store_fixture.h"
#include "testing.h"

#include <fcntl.h>

#define FILE_MAX (4 << 20)

/* A closed store with `nodes` nodes. Returns its bytes; the caller frees. */
static uint8_t *make_file(struct fixture *f, uint32_t nodes, size_t *len)
{
    uint8_t *bytes = malloc(FILE_MAX);

    assert_non_null(bytes);
    fixture_open(f);
    for (uint32_t n = 0; n < nodes; n++) {
        struct store_node node = make_node(n, 100);

        assert_int_equal(store_put_node(f->store, STORE_DHT, &node), OK);
    }
    assert_int_equal(store_flush(f->store, 1), OK);
    fixture_close(f);
    *len = read_file(f->file, bytes, FILE_MAX);
    return bytes;
}

/* The file was set aside under its dated name as it was, and the fresh one
 * works. */
static void assert_replaced(struct fixture *f, const uint8_t *bytes, size_t len)
{
    struct store_node node = make_node(1, 1);
    uint8_t *aside = malloc(FILE_MAX);
    char path[160];

    assert_non_null(aside);
    fixture_open(f);
    assert_int_equal(f->report.how, STORE_REPLACED);
    assert_string_equal(f->report.set_aside,
                        "warren.db.corrupt-20261122T101112");
    assert_non_null(strstr(f->report.text, "it was set aside as warren.db."));
    snprintf(path, sizeof(path), "%s/%s", f->dir, f->report.set_aside);
    assert_int_equal(read_file(path, aside, FILE_MAX), len);
    assert_memory_equal(aside, bytes, len);
    free(aside);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 0);
    assert_int_equal(store_put_node(f->store, STORE_DHT, &node), OK);
    assert_int_equal(store_flush(f->store, 1), OK);
    fixture_reopen(f);
    assert_int_equal(f->report.how, STORE_OPENED);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 1);
    fixture_close(f);
    fixture_empty_dir(f);
}

static void test_damage_not_a_database(void **state)
{
    struct fixture *f = *state;
    uint8_t noise[8192];
    struct test_random r = test_seed(1);

    test_random_fill(&r, noise, sizeof(noise));
    for (size_t len = 1; len <= sizeof(noise); len *= 8) {
        write_file(f->file, noise, len);
        assert_replaced(f, noise, len);
    }
}

static void test_damage_empty_file_is_none(void **state)
{
    struct fixture *f = *state;

    write_file(f->file, "", 0);
    fixture_open(f);
    assert_int_equal(f->report.how, STORE_CREATED);
}

static void test_damage_empty_file_beside_a_wal(void **state)
{
    struct fixture *f = *state;
    char wal[160];
    struct stat st;

    snprintf(wal, sizeof(wal), "%s-wal", f->file);
    write_file(f->file, "", 0);
    write_file(wal, "all that is left", 16);
    fixture_open(f);
    assert_int_equal(f->report.how, STORE_REPLACED);
    snprintf(wal, sizeof(wal), "%s/%s-wal", f->dir, f->report.set_aside);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_size, 16);
}

static void test_damage_truncated(void **state)
{
    struct fixture *f = *state;
    size_t len, n;
    uint8_t *bytes = make_file(f, 500, &len);

    for (n = 1; n < len; n += n < 120 ? 17 : 4000) {
        write_file(f->file, bytes, n);
        assert_replaced(f, bytes, n);
    }
    free(bytes);
}

/* No flipped byte of the header crashes us, or makes us refuse a file other
 * than as newer; what we open works. */
static void test_damage_header(void **state)
{
    struct fixture *f = *state;
    size_t len, replaced = 0, refused = 0;
    uint8_t *bytes = make_file(f, 50, &len);

    for (size_t at = 0; at < 100; at++) {
        enum error err;

        bytes[at] ^= 0xff;
        write_file(f->file, bytes, len);
        err = fixture_try_open(f);
        if (err == ERR_UNSUPPORTED)
            refused++;
        else if (err != OK)
            fail_msg("byte %zu: %s", at, f->report.text);
        else if (f->report.how == STORE_REPLACED)
            replaced++;
        else
            assert_int_equal(fixture_health(f).nodes[STORE_DHT], 50);
        if (err == OK)
            assert_int_equal(store_flush(f->store, 1), OK);
        fixture_close(f);
        fixture_empty_dir(f);
        bytes[at] ^= 0xff;
    }
    assert_in_range(replaced, 25, 80);
    assert_in_range(refused, 1, 4); /* the bytes of user_version */
    free(bytes);
}

static void test_damage_header_wiped(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *bytes = make_file(f, 50, &len);

    memset(bytes, 0, 100);
    write_file(f->file, bytes, len);
    assert_replaced(f, bytes, len);
    free(bytes);
}

static void test_damage_page(void **state)
{
    struct fixture *f = *state;
    struct test_random r = test_seed(2);
    size_t len;
    uint8_t *bytes = make_file(f, 500, &len);
    uint8_t page[4096];

    assert_int_equal(len % sizeof(page), 0);
    for (size_t at = 0; at < len; at += sizeof(page)) {
        memcpy(page, bytes + at, sizeof(page));
        test_random_fill(&r, bytes + at, sizeof(page));
        write_file(f->file, bytes, len);
        assert_replaced(f, bytes, len);
        memcpy(bytes + at, page, sizeof(page));
    }
    free(bytes);
}

/* Damage that no check can see, or that it does: never a crash, and what is
 * shown has the right shape. */
static void test_damage_random_bytes(void **state)
{
    struct fixture *f = *state;
    struct test_random r = test_seed(3);
    size_t len;
    uint8_t *bytes = make_file(f, 300, &len);

    for (int round = 0; round < 200; round++) {
        size_t at = test_random_below(&r, (uint32_t)len);
        uint8_t was = bytes[at];

        bytes[at] ^= (uint8_t)(1 + test_random_below(&r, 255));
        write_file(f->file, bytes, len);
        if (fixture_try_open(f) == OK) {
            free(list_nodes(f->store, 1000).nodes);
            assert_int_equal(store_flush(f->store, 1), OK);
        } else {
            assert_int_equal(f->report.schema, 0);
        }
        fixture_close(f);
        fixture_empty_dir(f);
        bytes[at] = was;
    }
    free(bytes);
}

static void test_damage_twice_in_one_second(void **state)
{
    struct fixture *f = *state;

    for (int i = 1; i <= 3; i++) {
        char want[STORE_NAME_SIZE];

        write_file(f->file, "junk", 4);
        fixture_open(f);
        assert_int_equal(f->report.how, STORE_REPLACED);
        snprintf(want, sizeof(want), "warren.db.corrupt-20261122T101112%s",
                 i == 1   ? ""
                 : i == 2 ? ".2"
                          : ".3");
        assert_string_equal(f->report.set_aside, want);
        fixture_close(f);
    }
}

static void test_damage_wal_and_shm_go_along(void **state)
{
    static const char *const endings[] = {"-wal", "-shm"};
    struct fixture *f = *state;
    char path[160];
    uint8_t buf[16];

    write_file(f->file, "junk", 4);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s%s", f->file, endings[i]);
        write_file(path, endings[i], 4);
    }
    fixture_open(f);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s%s", f->dir, f->report.set_aside,
                 endings[i]);
        assert_int_equal(read_file(path, buf, sizeof(buf)), 4);
        assert_memory_equal(buf, endings[i], 4);
    }
}

static void test_damage_missing_directory(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct store_report r;

    assert_int_equal(store_open("/nonexistent/warren", NULL, &s, &r), ERR_IO);
    assert_non_null(strstr(r.text, "/nonexistent/warren"));
    assert_non_null(strstr(r.text, "No such file or directory"));
    write_file(f->file, "", 0); /* a file where the directory should be */
    assert_int_equal(store_open(f->file, NULL, &s, &r), ERR_IO);
    assert_non_null(strstr(r.text, "Not a directory"));
    assert_null(s);
}

/* /proc/self is a directory in which nobody, root included, makes files. */
static void test_damage_unwritable_directory(void **state)
{
    struct store *s = NULL;
    struct store_report r;

    (void)state;
    assert_int_equal(store_open("/proc/self", NULL, &s, &r), ERR_IO);
    assert_non_null(strstr(r.text, "/proc/self"));
    assert_null(s);
}

static void test_damage_directory_in_its_place(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mkdir(f->file, 0700), 0);
    assert_int_equal(fixture_try_open(f), ERR_IO);
    assert_non_null(strstr(f->report.text, "is not a regular file"));
    rmdir(f->file);
}

static void test_damage_link_to_nothing_in_its_place(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(symlink("no/where", f->file), 0);
    assert_int_equal(fixture_try_open(f), ERR_IO);
    assert_non_null(
        strstr(f->report.text, "is a symbolic link to what is not there"));
    unlink(f->file);
}

static void test_damage_name_too_long(void **state)
{
    char dir[5000];
    struct store *s = NULL;
    struct store_report r;

    (void)state;
    memset(dir, 'd', sizeof(dir) - 1);
    dir[sizeof(dir) - 1] = '\0';
    assert_int_equal(store_open(dir, NULL, &s, &r), ERR_IO);
    assert_int_equal(store_open(dir, NULL, &s, NULL), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_damage_not_a_database),
        store_test(test_damage_empty_file_is_none),
        store_test(test_damage_empty_file_beside_a_wal),
        store_test(test_damage_truncated),
        store_test(test_damage_header),
        store_test(test_damage_header_wiped),
        store_test(test_damage_page),
        store_test(test_damage_random_bytes),
        store_test(test_damage_twice_in_one_second),
        store_test(test_damage_wal_and_shm_go_along),
        store_test(test_damage_missing_directory),
        store_test(test_damage_unwritable_directory),
        store_test(test_damage_directory_in_its_place),
        store_test(test_damage_link_to_nothing_in_its_place),
        store_test(test_damage_name_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
