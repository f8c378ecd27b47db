/* SPDX-License-Identifier: MIT */
#include "node/host/tunnel_keys.h"

#include "testing.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct text why;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1024);
    snprintf(dir, sizeof(dir), "/tmp/warren-keys-XXXXXX");
    return sodium_init() < 0 || mkdtemp(dir) == NULL ? -1 : 0;
}

static const char *path(const char *name)
{
    static char out[128];

    snprintf(out, sizeof(out), "%s/%s", dir, name);
    return out;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    unlink(path("identity.key"));
    unlink(path("handshake.key"));
    unlink(path("handshake.previous"));
    return rmdir(dir);
}

static struct member_config load(uint64_t wall)
{
    struct member_config c = {.handshake_made = 1};

    assert_int_equal(tunnel_keys_load(dir, wall, &c, &why), OK);
    assert_string_equal(text_get(&why), "");
    return c;
}

static void test_tunnel_keys_are_made_once(void **state)
{
    struct member_config first = load(1000), second = load(2000);
    uint8_t public_key[32];
    struct stat st;

    (void)state;
    assert_memory_equal(first.identity, second.identity, 32);
    assert_memory_equal(first.identity_secret, second.identity_secret, 64);
    assert_memory_equal(first.handshake_secret, second.handshake_secret,
                        NOISE_KEY_BYTES);
    assert_true(first.handshake_made == 1000);
    assert_true(second.handshake_made == 1000);
    crypto_sign_ed25519_sk_to_pk(public_key, first.identity_secret);
    assert_memory_equal(public_key, first.identity, 32);
    assert_int_equal(stat(path("identity.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_tunnel_keys_renewed_handshake_stays(void **state)
{
    struct member_config first = load(1000), second;
    const uint8_t *old = first.handshake_secret;
    uint8_t fresh[NOISE_KEY_BYTES];
    struct stat st;

    (void)state;
    assert_true(first.previous_replaced == 0);
    randombytes_buf(fresh, sizeof(fresh));
    assert_int_equal(tunnel_keys_renew(dir, fresh, old, 5000, &why), OK);
    second = load(6000);
    assert_memory_equal(second.handshake_secret, fresh, sizeof(fresh));
    assert_true(second.handshake_made == 5000);
    assert_memory_equal(second.previous_secret, old, sizeof(fresh));
    assert_true(second.previous_replaced == 5000);
    assert_memory_equal(first.identity, second.identity, 32);
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "handshake.key" : "handshake.previous";

        assert_int_equal(stat(path(name), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_int_equal(tunnel_keys_retire(dir, &why), OK);
    assert_int_not_equal(stat(path("handshake.previous"), &st), 0);
    assert_true(load(6000).previous_replaced == 0);
    assert_int_equal(tunnel_keys_retire(dir, &why), OK);
}

/* Killed when the key before was written and the new one was not: both files
 * have the same key, and the next rotation will make a new one. */
static void test_tunnel_keys_renewal_cut_short(void **state)
{
    struct member_config first = load(1000), second;
    const uint8_t *old = first.handshake_secret;
    struct stat st;

    (void)state;
    assert_int_equal(tunnel_keys_renew(dir, old, old, 5000, &why), OK);
    second = load(6000);
    assert_memory_equal(second.handshake_secret, old, NOISE_KEY_BYTES);
    assert_true(second.previous_replaced == 0);
    assert_int_not_equal(stat(path("handshake.previous"), &st), 0);
}

/* A key that is damaged or seen by others is never replaced silently. */
static void test_tunnel_keys_bad_files_are_refused(void **state)
{
    struct member_config c = load(1000);
    const struct member_config before = c;

    (void)state;
    assert_int_equal(truncate(path("handshake.key"), 39), 0);
    assert_int_equal(tunnel_keys_load(dir, 1, &c, &why), ERR_CORRUPT);
    assert_non_null(strstr(text_get(&why), "handshake.key has 39 bytes"));
    assert_memory_equal(c.handshake_secret, before.handshake_secret,
                        NOISE_KEY_BYTES);
    text_clear(&why);
    assert_int_equal(chmod(path("identity.key"), 0640), 0);
    assert_int_equal(tunnel_keys_load(dir, 1, &c, &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), "others may read"));
}

static void overwrite(const char *name, const uint8_t *bytes, size_t len)
{
    FILE *f = fopen(path(name), "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path(name), 0600), 0);
}

/* Whoever is told that a file is damaged is told what he loses without it. */
static void assert_refused(const char *name, const char *what,
                           const char *remedy)
{
    struct member_config c = {.handshake_made = 1};

    text_clear(&why);
    assert_int_equal(tunnel_keys_load(dir, 1, &c, &why), ERR_CORRUPT);
    assert_non_null(strstr(text_get(&why), path(name)));
    assert_non_null(strstr(text_get(&why), what));
    assert_non_null(strstr(text_get(&why), remedy));
    text_clear(&why);
}

static const struct {
    const char *name;
    size_t len;
    const char *remedy;
} key_files[] = {
    {"identity.key", 32, "restore it from a backup, or remove it"},
    {"handshake.key", 40, "remove it: warren makes a new one"},
    {"handshake.previous", 40, "remove it: only who has not heard"},
};

/* Zeros after a crash, a pattern, a key of another kind, an empty file; when
 * the remedy has been followed, the node starts. */
static void test_tunnel_keys_weak_or_damaged_files_are_refused(void **state)
{
    static const size_t lengths[] = {0, 31, 33, 39, 41, 64};
    struct member_config first = load(1000);
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(key_files); i++) {
        const char *name = key_files[i].name;

        for (unsigned pattern = 1; pattern < 8; pattern++) {
            for (size_t j = 0; j < sizeof(bytes); j++)
                bytes[j] = (uint8_t)(pattern == 1 ? 0 : 31 * (j % pattern));
            overwrite(name, bytes, key_files[i].len);
            assert_refused(name, "holds no key", key_files[i].remedy);
        }
        randombytes_buf(bytes, sizeof(bytes));
        for (size_t j = 0; j < COUNT_OF(lengths); j++) {
            overwrite(name, bytes, lengths[j]);
            assert_refused(name, " bytes but a key of this kind has ",
                           key_files[i].remedy);
        }
        assert_int_equal(unlink(path(name)), 0);
        load(2000);
    }
    assert_memory_not_equal(load(1).identity, first.identity, 32);
}

static void test_tunnel_keys_need_a_directory(void **state)
{
    struct member_config c = {.handshake_made = 1};

    (void)state;
    assert_int_equal(tunnel_keys_load("/nowhere", 1, &c, &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), "/nowhere/identity.key"));
}

/* The clock was ahead when it was made. */
static void test_tunnel_keys_date(void **state)
{
    struct member_config before = load(2000), after;

    (void)state;
    assert_int_equal(tunnel_keys_date(dir, 77, &why), OK);
    after = load(3000);
    assert_int_equal(after.handshake_made, 77);
    assert_memory_equal(after.handshake_secret, before.handshake_secret,
                        sizeof(before.handshake_secret));
    unlink(path("handshake.key"));
    assert_int_equal(tunnel_keys_date(dir, 77, &why), ERR_NOT_FOUND);
    assert_string_equal(text_get(&why), "handshake.key is gone");
    text_clear(&why);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_tunnel_keys_are_made_once),
        TEST(test_tunnel_keys_renewed_handshake_stays),
        TEST(test_tunnel_keys_renewal_cut_short),
        TEST(test_tunnel_keys_bad_files_are_refused),
        TEST(test_tunnel_keys_weak_or_damaged_files_are_refused),
        TEST(test_tunnel_keys_need_a_directory),
        TEST(test_tunnel_keys_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
