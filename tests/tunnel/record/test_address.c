/* SPDX-License-Identifier: MIT */
#include "record_fixture.h"

#include "tunnel/record/address.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static enum error read_text(const char *text, uint8_t key[32])
{
    uint8_t *exact = test_exact_copy(bytes_of_text(text));
    enum error e = address_read(NETWORK, bytes_of(exact, strlen(text)), key);

    free(exact);
    return e;
}

static void assert_refused(const char *text, enum error want)
{
    uint8_t key[32], before[32];

    memset(key, 0xee, sizeof(key));
    memcpy(before, key, sizeof(key));
    assert_int_equal(read_text(text, key), want);
    assert_memory_equal(key, before, sizeof(key));
}

static void test_address_there_and_back(void **state)
{
    (void)state;
    for (uint8_t i = 1; i < 40; i++) {
        struct service_name name = fixture_name(i);
        char text[ADDRESS_TEXT_SIZE];
        uint8_t key[32];

        assert_ptr_equal(address_print(NETWORK, name.key, text), text);
        assert_int_equal(strlen(text), 63);
        assert_true(address_is(bytes_of_text(text)));
        assert_int_equal(read_text(text, key), OK);
        assert_memory_equal(key, name.key, 32);
    }
}

static void test_address_labels_and_case(void **state)
{
    struct service_name name = fixture_name(1);
    char text[ADDRESS_TEXT_SIZE], longer[300];
    uint8_t key[32];

    (void)state;
    address_print(NETWORK, name.key, text);
    snprintf(longer, sizeof(longer), "a.WWW..%s", text);
    assert_int_equal(read_text(longer, key), OK);
    assert_memory_equal(key, name.key, 32);
    for (size_t i = 0; text[i] != '\0'; i++)
        text[i] = (char)toupper(text[i]);
    assert_int_equal(read_text(text, key), OK);
    assert_memory_equal(key, name.key, 32);
}

static void test_address_of_another_kind(void **state)
{
    static const char *const texts[] = {
        "",         "a string",         ".warre",    "warren",      "xwarren",
        ".warren.", "example.warren.c", ".warren\n", "warren.onion"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_false(address_is(bytes_of_text(texts[i])));
        assert_refused(texts[i], ERR_MISSING);
    }
    assert_true(address_is(bytes_of_text(".warren")));
    assert_true(address_is(bytes_of_text("x.WaRReN")));
}

static void test_address_of_another_length(void **state)
{
    struct service_name name = fixture_name(1);
    char text[ADDRESS_TEXT_SIZE], longer[80];

    (void)state;
    address_print(NETWORK, name.key, text);
    snprintf(longer, sizeof(longer), "a%s", text);
    assert_refused(longer, ERR_WRONG_LENGTH);
    for (size_t cut = 1; cut <= ADDRESS_CHARS; cut++)
        assert_refused(text + cut, ERR_WRONG_LENGTH);
    assert_refused("www.warren", ERR_WRONG_LENGTH);
    snprintf(longer, sizeof(longer), "%.56s.x.warren", text);
    assert_refused(longer, ERR_WRONG_LENGTH);
}

static void test_address_of_other_characters(void **state)
{
    static const char bad[] = "0189-_ \n=@[`{/:\x7f\xff";
    struct service_name name = fixture_name(1);
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    address_print(NETWORK, name.key, text);
    for (size_t i = 0; i < ADDRESS_CHARS; i++) {
        char was = text[i];

        for (size_t j = 0; j < sizeof(bad); j++) {
            uint8_t key[32];

            text[i] = bad[j]; /* NUL, too */
            assert_int_equal(address_read(NETWORK, bytes_of(text, 63), key),
                             ERR_SYNTAX);
        }
        text[i] = was;
    }
}

/* Every other character at every place: 2 of 16 bits are not looked at by
 * chance in one of 65,536. */
static void test_address_mistyped(void **state)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct service_name name = fixture_name(1);
    char text[ADDRESS_TEXT_SIZE];
    unsigned taken = 0;

    (void)state;
    address_print(NETWORK, name.key, text);
    for (size_t i = 0; i < ADDRESS_CHARS; i++) {
        char was = text[i];

        for (size_t j = 0; j < 32; j++) {
            uint8_t key[32];

            text[i] = alphabet[j];
            if (text[i] != was && read_text(text, key) != ERR_NETWORK)
                taken++;
        }
        text[i] = was;
    }
    assert_int_equal(taken, 0);
}

static void test_address_of_another_network(void **state)
{
    struct service_name name = fixture_name(1);
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    address_print("main", name.key, text);
    assert_refused(text, ERR_NETWORK);
}

/* An address with any key and version, and the right checksum. */
static void forge(const uint8_t key[32], uint8_t version, char *text)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t raw[35], hashed[16 + sizeof(NETWORK) - 1 + 33], hash[32];

    memcpy(hashed, "warren address", 15);
    memcpy(hashed + 15, NETWORK, sizeof(NETWORK) - 1);
    memcpy(hashed + 15 + sizeof(NETWORK) - 1, key, 32);
    hashed[15 + sizeof(NETWORK) - 1 + 32] = version;
    crypto_generichash(hash, sizeof(hash), hashed, sizeof(hashed) - 1, NULL, 0);
    memcpy(raw, key, 32);
    memcpy(raw + 32, hash, 2);
    raw[34] = version;
    for (size_t i = 0; i < 56; i++) {
        unsigned value = 0;

        for (size_t bit = 5 * i; bit < 5 * i + 5; bit++)
            value = value << 1 | (raw[bit / 8] >> (7 - bit % 8) & 1);
        text[i] = alphabet[value];
    }
    memcpy(text + 56, ".warren", 8);
}

static void test_address_of_another_version(void **state)
{
    struct service_name name = fixture_name(1);
    char text[ADDRESS_TEXT_SIZE], made[ADDRESS_TEXT_SIZE];

    (void)state;
    forge(name.key, 1, made);
    assert_string_equal(made, address_print(NETWORK, name.key, text));
    forge(name.key, 2, text);
    assert_refused(text, ERR_UNSUPPORTED);
    forge(name.key, 0, text);
    assert_refused(text, ERR_UNSUPPORTED);
}

static void test_address_of_no_key(void **state)
{
    struct service_name name = fixture_name(1);
    char text[ADDRESS_TEXT_SIZE];
    uint8_t key[32] = {1};

    (void)state;
    forge(key, 1, text);
    assert_refused(text, ERR_RANGE);
    for (size_t i = 0; i < COUNT_OF(torsion_points); i++) {
        struct bytes torsion = test_hex(torsion_points[i]);

        forge(torsion.p, 1, text);
        assert_refused(text, ERR_RANGE);
        assert_int_equal(crypto_core_ed25519_add(key, name.key, torsion.p), 0);
        forge(key, 1, text);
        assert_refused(text, ERR_RANGE);
    }
    for (unsigned i = 0; i < 38; i++) {
        fixture_not_canonical(i, key);
        forge(key, 1, text);
        assert_refused(text, ERR_RANGE);
    }
}

static void test_address_errors_have_texts_of_their_own(void **state)
{
    static const enum error all[] = {ERR_MISSING, ERR_WRONG_LENGTH, ERR_SYNTAX,
                                     ERR_NETWORK, ERR_UNSUPPORTED,  ERR_RANGE};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_non_null(strstr(address_error_text(all[i]), "address"));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(address_error_text(all[i]),
                                    address_error_text(all[j]));
    }
    assert_string_equal(address_error_text(ERR_IO), error_text(ERR_IO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_there_and_back),
        cmocka_unit_test(test_address_labels_and_case),
        cmocka_unit_test(test_address_of_another_kind),
        cmocka_unit_test(test_address_of_another_length),
        cmocka_unit_test(test_address_of_other_characters),
        cmocka_unit_test(test_address_mistyped),
        cmocka_unit_test(test_address_of_another_network),
        cmocka_unit_test(test_address_of_another_version),
        cmocka_unit_test(test_address_of_no_key),
        cmocka_unit_test(test_address_errors_have_texts_of_their_own),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
