/* SPDX-License-Identifier: MIT
 */
#include "dht/types/magnet.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEX    "0123456789abcdef0123456789abcdef01234567"
#define BASE32 "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH" /* Python's of the same */
#define OTHER  "ff23456789abcdef0123456789abcdef01234567"
#define V2     "1220" HEX "89abcdef0123456789abcdef"

static void assert_is(const char *text, const char *hash)
{
    char hex[ID_TEXT_SIZE];
    struct text why;
    struct id id;

    text_init(&why, 512);
    if (info_hash_parse(bytes_of_text(text), &id, &why) != OK)
        fail_msg("%s: %s", text, text_get(&why));
    assert_string_equal(id_print(&id, hex), hash);
    text_deinit(&why);
}

static void test_magnet_links(void **state)
{
    static const char *const links[] = {
        HEX,
        "0123456789ABCDEF0123456789ABCDEF01234567",
        "magnet:?xt=urn:btih:" HEX,
        "MAGNET:?XT=URN:BTIH:0123456789ABCDEF0123456789ABCDEF01234567",
        "magnet:?xt=urn:btih:" BASE32,
        "magnet:?xt=urn:btih:aerukz4jvpg66ajdivtytk6n54asgrlh",
        "magnet:?xt=urn%3Abtih%3a" HEX,
        "magnet:?xt=urn:btih:" HEX "&dn=a+name%20of%2&tr=udp%3A%2F%2Ft.example"
        "&tr=http://u.example/x?y=z&x.pe=192.0.2.1:80&&so=0,2",
        "magnet:?dn=xt=urn:btih:" OTHER "&tr=&xt=urn:btih:" HEX,
        "magnet:?xt.1=urn:sha1:AAAA&xt.2=urn:btih:" HEX,
        "magnet:?xtra=urn:btih:x&xt=urn:btih:" HEX,
        "magnet:?xt=urn:btih:" HEX "&xt=urn:btih:" BASE32,
        /* as people copy them */
        "magnet:?dn=x&amp;xt=urn:btih:" HEX "&amp;tr=http://t.example",
        "magnet:?dn=x&AMP;xt=urn%3Abtih%3A" HEX "&xl=1",
        " \t\r\nmagnet:?xt=urn:btih:" HEX "\r\n ",
        /* of both versions, the first */
        "magnet:?xt=urn:btmh:1220ff" HEX "0123456789abcdef012345"
        "&xt=urn:btih:" HEX,
        /* of the second alone: BEP 52, truncated */
        "magnet:?xt=urn:btmh:" V2,
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(links); i++)
        assert_is(links[i], HEX);
}

static void test_magnet_wrong_ones(void **state)
{
    static const struct {
        const char *link, *said;
    } rows[] = {
        {"magnet:", "it begins with magnet:?"},
        {"magnet:xt=urn:btih:" HEX, "it begins with magnet:?"},
        {"magnet:?", "not for a torrent: it has no xt=urn:btih:HASH"},
        {"magnet:?dn=" HEX, "it has no xt=urn:btih:HASH"},
        {"magnet:?xt=urn:ed2k:31d6cfe0d16ae931b73c59d7e0c089c0",
         "it has no xt=urn:btih:HASH"},
        {"magnet:?xt=" HEX, "it has no xt=urn:btih:HASH"},
        {"magnet:?xt=urn:btih:", "32 of base32 (a-z, 2-7) after it, not ''"},
        {"magnet:?xt=urn:btih:" HEX "0", "40 hex digits"},
        {"magnet:?xt=urn:btih:0123456789", "not '0123456789'"},
        {"magnet:?xt=urn:btih:g123456789abcdef0123456789abcdef01234567",
         "40 hex digits"},
        {"magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRL1", "base32"},
        {"magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRL", "base32"},
        {"magnet:?xt=urn:btih:%1b[0m", "not '"},
        {"magnet:?xt=urn:btih:" HEX "&xt=urn:btih:" OTHER, "several torrents"},
        {"magnet:?xt=urn:btih:" HEX "&amp;xt=urn:btih:" OTHER,
         "several torrents"},
        {"magnet:?xt=urn:btih:" HEX " x", "40 hex digits"},
        {"m agnet:?xt=urn:btih:" HEX, "it begins with magnet:?"},
        {"magnet:?xt=urn:btmh:" HEX, "1220 and the 64 hex digits"},
        {"magnet:?xt=urn:btmh:1114" HEX, "SHA2-256"},
        {"magnet:?xt=urn:btmh:" V2 "00", "64 hex digits"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bytes link = bytes_of_text(rows[i].link);
        struct id id = {{7}}, before = id;
        struct text why;

        text_init(&why, 512);
        assert_int_equal(magnet_info_hash(link, &id, &why), ERR_SYNTAX);
        if (strstr(text_get(&why), rows[i].said) == NULL)
            fail_msg("%s: %s", rows[i].link, text_get(&why));
        assert_true(id_equal(&id, &before));
        assert_int_equal(magnet_info_hash(link, &id, NULL), ERR_SYNTAX);
        text_deinit(&why);
    }
}

static void test_magnet_is_link(void **state)
{
    struct id id;

    (void)state;
    assert_true(magnet_is_link(bytes_of_text("Magnet:?")));
    assert_true(magnet_is_link(bytes_of_text("\n magnet:")));
    assert_false(magnet_is_link(bytes_of_text("magnet")));
    assert_false(magnet_is_link(bytes_of_text(" ")));
    assert_false(magnet_is_link(bytes_of(NULL, 0)));
    assert_int_equal(info_hash_parse(bytes_of_text(HEX "0"), &id, NULL),
                     ERR_SYNTAX);
    assert_int_equal(info_hash_parse(bytes_of_text(BASE32), &id, NULL),
                     ERR_SYNTAX);
    assert_int_equal(info_hash_parse(bytes_of(NULL, 0), &id, NULL), ERR_SYNTAX);
}

/* A link that goes on for ever has one hash all the same. */
static void test_magnet_random(void **state)
{
    struct test_random random = test_seed(1);
    static const char some[] = "magnet:?xt=urn:btih&.%0123456789abcdefmg";

    (void)state;
    for (int n = 0; n < 20000; n++) {
        size_t len = (size_t)(test_random_next(&random) % 200);
        uint8_t *link = malloc(len + 9);
        struct text why;
        struct id id;

        memcpy(link, "magnet:?", 8);
        for (size_t i = 0; i < len; i++)
            link[8 + i] =
                (uint8_t)some[test_random_next(&random) % (sizeof(some) - 1)];
        text_init(&why, 512);
        magnet_info_hash(bytes_of(link, 8 + len), &id, &why);
        text_deinit(&why);
        free(link);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_magnet_links),
        cmocka_unit_test(test_magnet_wrong_ones),
        cmocka_unit_test(test_magnet_is_link),
        cmocka_unit_test(test_magnet_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
