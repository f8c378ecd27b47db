/* SPDX-License-Identifier: MIT
 *
 * From the string to topics and keys.
 */
#include "tunnel/record/topic.h"

#include "tunnel/record/labelled_hash.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <sodium.h>

/* ["warren service", network, string] */
#define ROOT_TEXT_MAX (64 + TOPIC_STRING_MAX)

enum error topic_root(const char *network, struct bytes string,
                      uint8_t root[32])
{
    uint8_t buf[ROOT_TEXT_MAX];
    struct mp_writer w;

    if (string.len == 0 || string.len > TOPIC_STRING_MAX)
        return ERR_WRONG_LENGTH;
    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 3);
    mp_write_text(&w, "warren service");
    mp_write_text(&w, network);
    mp_write_bin(&w, string);
    assert(w.err == OK);
    crypto_generichash(root, 32, buf, w.len, NULL, 0);
    sodium_memzero(buf, sizeof(buf));
    return OK;
}

static void derive(const uint8_t root[32], const char *label, uint32_t period,
                   uint8_t out[32])
{
    uint8_t number[4];
    struct bytes part = bytes_of(number, sizeof(number));

    bytes_put_number(number, sizeof(number), period);
    labelled_hash(out, 32, root, label, &part, 1);
}

void topic_of(const uint8_t root[32], uint32_t period,
              uint8_t topic[TOPIC_BYTES])
{
    derive(root, "topic", period, topic);
}

void topic_entry_key(const uint8_t root[32], uint32_t period, uint8_t key[32])
{
    derive(root, "entry", period, key);
}

void topic_credential(const uint8_t root[32], uint8_t credential[32])
{
    labelled_hash(credential, 32, root, "credential", NULL, 0);
}

void topic_hash(const char *network, const uint8_t topic[TOPIC_BYTES],
                unsigned replica, struct id *out)
{
    uint8_t buf[128];
    struct mp_writer w;

    assert(replica < TOPIC_REPLICAS);
    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 4);
    mp_write_text(&w, "warren topic");
    mp_write_text(&w, network);
    mp_write_bin(&w, bytes_of(topic, TOPIC_BYTES));
    mp_write_uint(&w, replica);
    assert(w.err == OK);
    crypto_generichash(out->b, sizeof(out->b), buf, w.len, NULL, 0);
}
