/* SPDX-License-Identifier: MIT
 *
 * docs/protocol.md says what the code does. Its fenced blocks and the rows of
 * its table of ids are read and compared with the code:
 *
 *     ```hex NAME      bytes of the example of that name; ';' begins a comment
 *     ```bencode NAME  the same in bencode, one line
 *     ```values        lines: msgpack, canonical msgpack, bencode
 *     ```item          lines "field: value" of an item of BEP 44
 *     | ADDRESS | last byte of the id | `id` |
 */
#include "dht_data.h"
#include "dht_message_examples.h"

#include "dht/types/dht_item.h"
#include "dht/types/node_id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#define DOCUMENT  "docs/protocol.md"
#define LINE_SIZE 512

struct document {
    FILE *file;
    char line[LINE_SIZE]; /* without its newline */
};

static bool read_line(struct document *d)
{
    if (fgets(d->line, LINE_SIZE, d->file) == NULL)
        return false;
    d->line[strcspn(d->line, "\n")] = '\0';
    return true;
}

static void open_document(struct document *d)
{
    *d = (struct document){.file = fopen(DOCUMENT, "r")};
    assert_non_null(d->file);
}

/* Finds the next block that begins with ```KIND; its name, or "". */
static bool next_block(struct document *d, const char *kind, char name[64])
{
    size_t len = strlen(kind);

    while (read_line(d)) {
        const char *rest = d->line + 3 + len;

        if (strncmp(d->line, "```", 3) != 0 ||
            strncmp(d->line + 3, kind, len) != 0 ||
            (*rest != ' ' && *rest != '\0'))
            continue;
        snprintf(name, 64, "%s", *rest == ' ' ? rest + 1 : rest);
        return true;
    }
    return false;
}

/* The next line of the block; false at its end. */
static bool block_line(struct document *d)
{
    assert_true(read_line(d));
    return strcmp(d->line, "```") != 0;
}

/* ---- Messages ---------------------------------------------------------- */

static size_t read_hex(struct document *d, uint8_t *out, size_t cap)
{
    size_t len = 0;

    while (block_line(d)) {
        d->line[strcspn(d->line, ";")] = '\0';
        len += test_unhex(d->line, out + len, cap - len);
    }
    return len;
}

static size_t find_example(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        if (strcmp(examples[i].name, name) == 0)
            return i;
    }
    fail_msg("%s shows '%s', of which there is no example", DOCUMENT, name);
    return 0;
}

/* To bencode and back, by the reader and the writer of both dialects. */
static void expect_transcribed(const uint8_t *wire, size_t len)
{
    uint8_t bencode[2 * DHT_MESSAGE_MAX], back[DHT_MESSAGE_MAX];
    struct dht_message m;
    size_t bencode_len, back_len;

    assert_int_equal(
        dht_message_read(DHT_DIALECT_WARREN, bytes_of(wire, len), &m), OK);
    assert_int_equal(dht_message_write(DHT_DIALECT_MAINLINE, &m, bencode,
                                       sizeof(bencode), &bencode_len),
                     OK);
    assert_int_equal(dht_message_read(DHT_DIALECT_MAINLINE,
                                      bytes_of(bencode, bencode_len), &m),
                     OK);
    assert_int_equal(dht_message_write(DHT_DIALECT_WARREN, &m, back,
                                       sizeof(back), &back_len),
                     OK);
    assert_int_equal(back_len, len);
    assert_memory_equal(back, wire, len);
}

static void test_protocol_doc_messages(void **state)
{
    bool shown[COUNT_OF(examples)] = {false};
    struct document d;
    char name[64];

    (void)state;
    open_document(&d);
    while (next_block(&d, "hex", name)) {
        size_t i = find_example(name);
        uint8_t want[DHT_MESSAGE_MAX], buf[DHT_MESSAGE_MAX];
        size_t want_len = read_hex(&d, want, sizeof(want));
        size_t len;

        assert_int_equal(dht_message_write(DHT_DIALECT_WARREN, &examples[i].m,
                                           buf, sizeof(buf), &len),
                         OK);
        if (len != want_len || memcmp(buf, want, len) != 0)
            fail_msg("%s: the bytes of '%s' are not those of the writer",
                     DOCUMENT, name);
        expect_transcribed(want, want_len);
        shown[i] = true;
    }
    fclose(d.file);
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        if (!shown[i])
            fail_msg("%s does not show '%s'", DOCUMENT, examples[i].name);
    }
}

static void test_protocol_doc_bencode(void **state)
{
    struct document d;
    char name[64];
    unsigned count = 0;

    (void)state;
    open_document(&d);
    for (; next_block(&d, "bencode", name); count++) {
        assert_true(block_line(&d));
        assert_string_equal(d.line, examples[find_example(name)].bencode);
    }
    fclose(d.file);
    assert_int_equal(count, 3);
}

/* ---- Items ------------------------------------------------------------- */

static void test_protocol_doc_values(void **state)
{
    struct document d;
    char name[64];
    unsigned count = 0;

    (void)state;
    open_document(&d);
    assert_true(next_block(&d, "values", name));
    for (; block_line(&d); count++) {
        char mp[LINE_SIZE], canonical[LINE_SIZE], bencode[LINE_SIZE];
        uint8_t out[VALUE_BENCODED_MAX];
        struct value v;

        assert_int_equal(
            sscanf(d.line, "%511s %511s %511[^\n]", mp, canonical, bencode), 3);
        assert_int_equal(value_from_msgpack(test_hex(mp), &v), OK);
        assert_true(bytes_equal(value_bytes(&v), test_hex(canonical)));
        assert_int_equal(value_bencode(&v, out), strlen(bencode));
        assert_memory_equal(out, bencode, strlen(bencode));
    }
    fclose(d.file);
    assert_true(count >= 8);
}

struct item_block {
    struct value value;
    struct dht_item item;
    struct id target;
    char salt[DHT_SALT_MAX + 1];
    char text[LINE_SIZE]; /* what is signed */
};

static void read_field(struct item_block *b, const char *field,
                       const char *value)
{
    if (strcmp(field, "v") == 0) {
        assert_int_equal(value_from_bytes(bytes_of_text(value), &b->value), OK);
    } else if (strcmp(field, "seq") == 0) {
        b->item.seq = strtoll(value, NULL, 10);
    } else if (strcmp(field, "salt") == 0) {
        snprintf(b->salt, sizeof(b->salt), "%s", value);
        b->item.salt = bytes_of_text(b->salt);
    } else if (strcmp(field, "key") == 0) {
        b->item.mutable_item = true;
        test_unhex(value, b->item.key, sizeof(b->item.key));
    } else if (strcmp(field, "sig") == 0) {
        test_unhex(value, b->item.signature, sizeof(b->item.signature));
    } else if (strcmp(field, "signed") == 0) {
        snprintf(b->text, sizeof(b->text), "%s", value);
    } else if (strcmp(field, "target") == 0) {
        b->target = test_id(value);
    } else {
        fail_msg("%s: an item has no '%s'", DOCUMENT, field);
    }
}

static void check_item(struct item_block *b)
{
    struct id target;

    b->item.value = &b->value;
    dht_item_target(&b->item, &target);
    assert_true(id_equal(&target, &b->target));
    assert_int_equal(dht_item_verify(&b->item), OK);
    if (!b->item.mutable_item)
        return;
    assert_int_equal(crypto_sign_verify_detached(b->item.signature,
                                                 (uint8_t *)b->text,
                                                 strlen(b->text), b->item.key),
                     0);
}

static void test_protocol_doc_items(void **state)
{
    struct document d;
    char name[64];
    unsigned count = 0;

    (void)state;
    open_document(&d);
    for (; next_block(&d, "item", name); count++) {
        struct item_block b = {.value = {0}};

        while (block_line(&d)) {
            char *colon = strstr(d.line, ": ");

            assert_non_null(colon);
            *colon = '\0';
            read_field(&b, d.line, colon + 2);
        }
        check_item(&b);
    }
    fclose(d.file);
    assert_int_equal(count, 3);
}

/* ---- Ids --------------------------------------------------------------- */

static void test_protocol_doc_ids(void **state)
{
    struct document d;
    unsigned count = 0;

    (void)state;
    open_document(&d);
    while (read_line(&d)) {
        char address[64], hex[ID_TEXT_SIZE];
        struct endpoint ep;
        struct id id;
        unsigned last;

        if (sscanf(d.line, "| %63s | %u | `%40[0-9a-f]` |", address, &last,
                   hex) != 3)
            continue;
        assert_int_equal(endpoint_parse_addr(address, &ep), OK);
        assert_int_equal(id_parse(hex, &id), OK);
        assert_true(endpoint_is_global(&ep));
        assert_true(node_id_matches(&id, &ep));
        assert_int_equal(id.b[ID_BYTES - 1], last);
        count++;
    }
    fclose(d.file);
    assert_int_equal(count, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol_doc_messages),
        cmocka_unit_test(test_protocol_doc_bencode),
        cmocka_unit_test(test_protocol_doc_values),
        cmocka_unit_test(test_protocol_doc_items),
        cmocka_unit_test(test_protocol_doc_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
