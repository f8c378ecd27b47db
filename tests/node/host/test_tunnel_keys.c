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

static struct tunnel_config load(uint64_t wall)
{
    struct tunnel_config c = {.handshake_made = 1};

    assert_int_equal(tunnel_keys_load(dir, wall, &c, &why), OK);
    assert_string_equal(text_get(&why), "");
    return c;
}

static void test_tunnel_keys_are_made_once(void **state)
{
    struct tunnel_config first = load(1000), second = load(2000);
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
    struct tunnel_config first = load(1000), second;
    const uint8_t *old = first.handshake_secret;
    uint8_t fresh[NOISE_KEY_BYTES];
    struct stat st;

    (void)state;
    assert_true(first.previous_replaced == 0);
    memset(fresh, 7, sizeof(fresh));
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
    struct tunnel_config first = load(1000), second;
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
    struct tunnel_config c = load(1000);
    const struct tunnel_config before = c;

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

static void test_tunnel_keys_need_a_directory(void **state)
{
    struct tunnel_config c = {.handshake_made = 1};

    (void)state;
    assert_int_equal(tunnel_keys_load("/nowhere", 1, &c, &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), "/nowhere/identity.key"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_tunnel_keys_are_made_once),
        TEST(test_tunnel_keys_renewed_handshake_stays),
        TEST(test_tunnel_keys_renewal_cut_short),
        TEST(test_tunnel_keys_bad_files_are_refused),
        TEST(test_tunnel_keys_need_a_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
