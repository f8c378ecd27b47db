/* SPDX-License-Identifier: MIT
 *
 * Key files of services: round trips, every damaged byte, wrong files.
 */
#include "node/service/key_file.h"

#include "testing.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct text why;

static const char *path(const char *name)
{
    static char out[256];

    snprintf(out, sizeof(out), "%s/%s", dir, name);
    return out;
}

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1024);
    snprintf(dir, sizeof(dir), "/tmp/warren-service-XXXXXX");
    return sodium_init() < 0 || mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    text_deinit(&why);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static struct key_file make(const char *string, unsigned access)
{
    struct key_file key;
    char label[24];

    key_file_make(&key, bytes_of_text(string));
    key.by_itself = access > 0;
    for (unsigned i = 0; i < access; i++) {
        snprintf(label, sizeof(label), "friend%u", i);
        assert_int_equal(key_file_allow(&key, label, &why), OK);
    }
    return key;
}

static void create(const char *name, const struct key_file *key)
{
    enum error err = key_file_create(dir, name, key, &why);

    if (err != OK)
        fail_msg("%s", text_get(&why));
}

/* Fails with `err` and a sentence that has `word`. */
static void fails(enum error got, enum error err, const char *word)
{
    assert_int_equal(got, err);
    if (strstr(text_get(&why), word) == NULL)
        fail_msg("'%s' is not in '%s'", word, text_get(&why));
    text_clear(&why);
}

static void test_key_file_comes_back_as_it_was(void **state)
{
    char longest[SERVICE_STRING_MAX + 1];
    struct key_file keys[4], back;
    struct stat st;

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    keys[0] = make("", 0);
    keys[1] = make("", SERVICE_ACCESS_MAX);
    keys[2] = make("a", 0);
    keys[3] = make(longest, 0);
    for (unsigned i = 0; i < 4; i++) {
        char name[8];

        snprintf(name, sizeof(name), "s%u", i);
        create(name, &keys[i]);
        assert_int_equal(key_file_read(dir, name, &back, &why), OK);
        assert_memory_equal(&back, &keys[i], sizeof(back));
    }
    assert_int_equal(stat(path("services/s1.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(path("services"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_memory_not_equal(keys[0].secret, keys[1].secret, 32);
}

static void test_key_file_is_made_once_and_replaced_when_asked(void **state)
{
    struct key_file a = make("", 0), b = make("", 1), back;

    (void)state;
    create("web", &a);
    fails(key_file_create(dir, "web", &b, &why), ERR_IN_USE, "web.key");
    assert_int_equal(key_file_read(dir, "web", &back, &why), OK);
    assert_memory_equal(&back, &a, sizeof(back));
    assert_int_equal(key_file_replace(dir, "web", &b, &why), OK);
    assert_int_equal(key_file_read(dir, "web", &back, &why), OK);
    assert_memory_equal(&back, &b, sizeof(back));
    assert_int_equal(key_file_remove(dir, "web", &why), OK);
    assert_int_equal(key_file_remove(dir, "web", &why), OK);
    fails(key_file_read(dir, "web", &back, &why), ERR_NOT_FOUND, "web.key");
}

static void test_key_file_names_are_names(void **state)
{
    static const char *const bad[] = {
        "",  ".",   "..", "../x", "a/b",  "-x",
        "_", "a b", "a=", "[x]",  "\xff", "abcdefghijklmnopqrstuvwxyz012345"};
    static const char *const good[] = {"a", "0", "A.b-c_d",
                                       "abcdefghijklmnopqrstuvwxyz01234"};
    struct key_file key = make("", 0);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        fails(key_file_create(dir, bad[i], &key, &why), ERR_SYNTAX,
              "cannot be a name");
        fails(key_file_read(dir, bad[i], &key, &why), ERR_SYNTAX, "name");
        fails(key_file_remove(dir, bad[i], &why), ERR_SYNTAX, "name");
    }
    for (size_t i = 0; i < COUNT_OF(good); i++)
        create(good[i], &key);
}

static size_t read_line(const char *name, char *out, size_t cap)
{
    FILE *f = fopen(path(name), "rb");
    size_t n;

    assert_non_null(f);
    n = fread(out, 1, cap, f);
    fclose(f);
    return n;
}

static void write_line(const char *name, const char *line, size_t len)
{
    FILE *f = fopen(path(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(line, 1, len, f), len);
    fclose(f);
}

static void test_key_file_that_is_torn_or_changed_is_refused(void **state)
{
    struct key_file key = make("", 2), back = make("", 0), before = back;
    char line[4096];
    size_t len;

    (void)state;
    create("web", &key);
    len = read_line("services/web.key", line, sizeof(line));
    for (size_t cut = 0; cut + 1 < len; cut++) {
        enum error err;

        write_line("services/web.key", line, cut);
        err = key_file_read(dir, "web", &back, &why);
        assert_true(err == ERR_CORRUPT || (err == ERR_UNSUPPORTED && cut < 20));
        text_clear(&why);
    }
    for (size_t i = 0; i + 1 < len; i++) {
        char was = line[i];

        line[i] = was == '3' ? '4' : '3';
        write_line("services/web.key", line, len);
        assert_int_not_equal(key_file_read(dir, "web", &back, &why), OK);
        text_clear(&why);
        line[i] = was;
    }
    assert_memory_equal(&back, &before, sizeof(back));
    line[15] = '2';
    write_line("services/web.key", line, len);
    fails(key_file_read(dir, "web", &back, &why), ERR_UNSUPPORTED,
          "another version");
}

static void test_key_file_that_others_could_read_is_refused(void **state)
{
    struct key_file key = make("", 0), back;

    (void)state;
    create("web", &key);
    chmod(path("services/web.key"), 0640);
    fails(key_file_read(dir, "web", &back, &why), ERR_IO, "chmod 600");
    chmod(path("services/web.key"), 0600);
    if (geteuid() == 0) {
        assert_int_equal(chown(path("services/web.key"), 4711, 0), 0);
        fails(key_file_read(dir, "web", &back, &why), ERR_IO, "uid 4711");
    }
    unlink(path("services/web.key"));
    assert_int_equal(mkfifo(path("services/web.key"), 0600), 0);
    fails(key_file_read(dir, "web", &back, &why), ERR_IO, "FIFO");
    chmod(path("services"), 0770);
    fails(key_file_create(dir, "b", &key, &why), ERR_IO, "chmod 700");
}

static void test_key_file_folder_that_is_none_is_named(void **state)
{
    struct key_file key = make("", 0);

    (void)state;
    write_line("services", "x", 1);
    fails(key_file_create(dir, "web", &key, &why), ERR_IO, "not a directory");
}

static void test_key_file_list_has_keys_only(void **state)
{
    char names[4][SERVICE_NAME_SIZE];
    struct key_file key = make("", 0);

    (void)state;
    assert_int_equal(key_file_list(dir, names, 4), 0);
    create("web", &key);
    create("mail", &key);
    write_line("services/notes.txt", "x", 1);
    write_line("services/web.key.77.tmp", "x", 1);
    write_line("services/-x.key", "x", 1);
    write_line("services/.key", "x", 1);
    assert_int_equal(key_file_list(dir, names, 4), 2);
    assert_true(strcmp(names[0], "web") == 0 || strcmp(names[1], "web") == 0);
    assert_int_equal(key_file_list(dir, names, 1), 2);
}

static void test_key_file_text_goes_by_hand(void **state)
{
    struct key_file key = make("chess club", 0), back;
    struct text line, around;

    (void)state;
    text_init(&line, 8192);
    text_init(&around, 8192);
    key_file_export(&key, &line);
    text_addf(&around, " \n%s\r\n\n", text_get(&line));
    assert_int_equal(
        key_file_import(bytes_of_text(text_get(&around)), &back, &why), OK);
    assert_memory_equal(&back, &key, sizeof(back));
    fails(key_file_import(bytes_of_text("hello"), &back, &why), ERR_CORRUPT,
          "begins with");
    fails(key_file_import(bytes_of_text("warren-service-9.00"), &back, &why),
          ERR_UNSUPPORTED, "another version");
    fails(key_file_import(bytes_of_text("warren-service-1."), &back, &why),
          ERR_CORRUPT, "not whole");
    text_add(&around, "00");
    fails(key_file_import(bytes_of_text(text_get(&around)), &back, &why),
          ERR_CORRUPT, "not whole");
    text_deinit(&line);
    text_deinit(&around);
}

static void test_key_file_access_is_by_label(void **state)
{
    struct key_file key = make("", 0), string = make("x", 0);
    uint8_t second[32];
    char label[24];

    (void)state;
    for (unsigned i = 0; i < SERVICE_ACCESS_MAX; i++) {
        snprintf(label, sizeof(label), "l%u", i);
        assert_int_equal(key_file_allow(&key, label, &why), OK);
    }
    memcpy(second, key.access[1].secret, 32);
    fails(key_file_allow(&key, "l7", &why), ERR_IN_USE, "l7");
    fails(key_file_allow(&key, "new", &why), ERR_FULL, "32");
    fails(key_file_allow(&key, "a/b", &why), ERR_SYNTAX, "a/b");
    fails(key_file_allow(&string, "new", &why), ERR_UNSUPPORTED, "string");
    assert_int_equal(key_file_disallow(&key, "l0", &why), OK);
    fails(key_file_disallow(&key, "l0", &why), ERR_NOT_FOUND, "l0");
    assert_int_equal(key.access_count, SERVICE_ACCESS_MAX - 1);
    assert_string_equal(key.access[0].label, "l1");
    assert_memory_equal(key.access[0].secret, second, 32);
    assert_int_equal(key_file_allow(&key, "new", &why), OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_key_file_comes_back_as_it_was),
        TEST(test_key_file_is_made_once_and_replaced_when_asked),
        TEST(test_key_file_names_are_names),
        TEST(test_key_file_that_is_torn_or_changed_is_refused),
        TEST(test_key_file_that_others_could_read_is_refused),
        TEST(test_key_file_folder_that_is_none_is_named),
        TEST(test_key_file_list_has_keys_only),
        TEST(test_key_file_text_goes_by_hand),
        TEST(test_key_file_access_is_by_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
