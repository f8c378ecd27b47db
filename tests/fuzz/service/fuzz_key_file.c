/* SPDX-License-Identifier: MIT
 *
 * Key files of services as they are imported, by the first byte: 0, the text;
 * else what it is made from, with a checksum that is right. What is taken is
 * exported and imported to the same, and the labels in it are names.
 */
#include "fuzz.h"

#include "node/service/key_file.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define BODY_MAX 4096
#define SUM      8 /* bytes of the checksum that are sent */

static void check_same(const struct key_file *a, const struct key_file *b)
{
    assert(memcmp(a->secret, b->secret, sizeof(a->secret)) == 0);
    assert(a->string_len == b->string_len && a->by_itself == b->by_itself);
    assert(memcmp(a->string, b->string, a->string_len) == 0);
    assert(a->access_count == b->access_count);
    for (unsigned i = 0; i < a->access_count; i++) {
        assert(strcmp(a->access[i].label, b->access[i].label) == 0);
        assert(memcmp(a->access[i].secret, b->access[i].secret, 32) == 0);
    }
}

static void check_taken(const struct key_file *key)
{
    struct text line, why;
    struct key_file back;

    text_init(&line, 2 * BODY_MAX);
    text_init(&why, 200);
    assert(key->access_count <= SERVICE_ACCESS_MAX);
    for (unsigned i = 0; i < key->access_count; i++)
        assert(service_name_check(key->access[i].label, &why) == OK);
    key_file_export(key, &line);
    assert(text_is_plain(bytes_of(text_get(&line), line.len)));
    assert(key_file_import(bytes_of(text_get(&line), line.len), &back, &why) ==
           OK);
    check_same(key, &back);
    key_file_wipe(&back);
    text_deinit(&line);
    text_deinit(&why);
}

/* The line around this body. */
static struct bytes line_of(const uint8_t *body, size_t len)
{
    static const char magic[] = "warren-service-1.";
    static const char purpose[] = "warren service file";
    static char line[sizeof(magic) + 2 * (BODY_MAX + SUM)];
    uint8_t whole[BODY_MAX + 16];

    memcpy(whole, body, len);
    crypto_generichash(whole + len, 16, body, len, (const uint8_t *)purpose,
                       sizeof(purpose) - 1);
    memcpy(line, magic, sizeof(magic));
    sodium_bin2hex(line + sizeof(magic) - 1, sizeof(line) - sizeof(magic) + 1,
                   whole, len + SUM);
    return bytes_of(line, strlen(line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_file key;
    struct text why;

    assert(sodium_init() >= 0);
    if (size == 0)
        return 0;
    data++;
    size--;
    text_init(&why, 200);
    if (key_file_import(data[-1] == 0
                            ? bytes_of(data, size)
                            : line_of(data, size < BODY_MAX ? size : BODY_MAX),
                        &key, &why) == OK) {
        check_taken(&key);
        key_file_wipe(&key);
    } else {
        assert(why.len > 0);
    }
    assert(text_is_plain(bytes_of(text_get(&why), why.len)));
    text_deinit(&why);
    return 0;
}
