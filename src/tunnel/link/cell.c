/* SPDX-License-Identifier: MIT
 *
 * The cell at its constant offsets: keys from one key of the handshake, sealing
 * and opening, and the mask over the counters that onion layers leave readable.
 * Whoever sends makes the body first and the head last, whoever receives the
 * other way around, so that what is forged costs one AEAD call.
 */
#include "tunnel/link/cell.h"

#include "tunnel/crypto/layout.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define INDEX_OFFSET   3
#define COUNTER_OFFSET 8

/* A cell's header with its index, counter and body length zero. */
static const uint8_t layout[CELL_BODY_OFFSET] = {
    [0] = 0x95,  [1] = CELL_KIND, [2] = 0xce,
    [7] = 0xcf,  [16] = 0xc4,     [17] = CELL_HEAD_BYTES + NOISE_TAG_BYTES,
    [39] = 0xc5,
};

static_assert(CELL_HEAD_OFFSET + CELL_HEAD_BYTES + NOISE_TAG_BYTES == 39,
              "the head ends where the body's msgpack header begins");
static_assert(CELL_LARGE <= 1420, "a cell fits the path MTU that is assumed");
static_assert(CELL_SMALL_BODY > UINT8_MAX, "both bodies are a bin 16");
static_assert(CELL_MASK_KEY == crypto_shorthash_KEYBYTES, "SipHash's key");

static void derive(const uint8_t key[NOISE_KEY_BYTES], const char *label,
                   uint8_t *out, size_t len)
{
    crypto_generichash(out, len, (const uint8_t *)label, strlen(label), key,
                       NOISE_KEY_BYTES);
}

void cell_keys_init(struct cell_keys *keys, const uint8_t key[NOISE_KEY_BYTES])
{
    memcpy(keys->head, key, NOISE_KEY_BYTES);
    derive(key, "warren body", keys->body, sizeof(keys->body));
    derive(key, "warren mask", keys->mask, sizeof(keys->mask));
}

size_t cell_body_len(size_t datagram_len)
{
    if (datagram_len == CELL_LARGE || datagram_len == CELL_SMALL)
        return datagram_len - CELL_BODY_OFFSET;
    return 0;
}

static bool has_layout(const uint8_t *p, size_t body_len)
{
    return p[0] == layout[0] && p[1] == layout[1] && p[2] == layout[2] &&
           p[7] == layout[7] && p[16] == layout[16] && p[17] == layout[17] &&
           p[39] == layout[39] && p[40] == body_len >> 8 &&
           p[41] == (body_len & 0xff);
}

enum error cell_peek(struct bytes datagram, uint32_t *session,
                     uint64_t *counter)
{
    size_t body_len = cell_body_len(datagram.len);

    if (body_len == 0)
        return ERR_WRONG_LENGTH;
    if (!has_layout(datagram.p, body_len))
        return ERR_NOT_MSGPACK;
    *session = (uint32_t)bytes_get_number(datagram.p + INDEX_OFFSET, 4);
    *counter = bytes_get_number(datagram.p + COUNTER_OFFSET, 8);
    return OK;
}

static struct bytes associated(const uint8_t *datagram, size_t len)
{
    return bytes_of(datagram + CELL_BODY_OFFSET, len - CELL_BODY_OFFSET);
}

enum error cell_open(const struct cell_keys *keys, uint64_t counter,
                     struct bytes datagram, struct cell_head *head)
{
    uint8_t text[CELL_HEAD_BYTES + NOISE_TAG_BYTES];

    memcpy(text, datagram.p + CELL_HEAD_OFFSET, sizeof(text));
    if (aead_open(keys->head, counter, associated(datagram.p, datagram.len),
                  text, CELL_HEAD_BYTES) != OK)
        return ERR_SIGNATURE;
    head->circuit = (uint32_t)bytes_get_number(text, 4);
    head->type = text[4];
    return OK;
}

void cell_seal(const struct cell_keys *keys, uint32_t session, uint64_t counter,
               const struct cell_head *head, uint8_t *datagram, size_t len)
{
    size_t body_len = cell_body_len(len);

    assert(body_len != 0);
    memcpy(datagram, layout, sizeof(layout));
    bytes_put_number(datagram + INDEX_OFFSET, 4, session);
    bytes_put_number(datagram + COUNTER_OFFSET, 8, counter);
    datagram[40] = (uint8_t)(body_len >> 8);
    datagram[41] = (uint8_t)body_len;
    bytes_put_number(datagram + CELL_HEAD_OFFSET, 4, head->circuit);
    datagram[CELL_HEAD_OFFSET + 4] = head->type;
    aead_seal(keys->head, counter, associated(datagram, len),
              datagram + CELL_HEAD_OFFSET, CELL_HEAD_BYTES);
}

void cell_seal_body(const struct cell_keys *keys, uint64_t counter,
                    uint8_t *datagram, size_t len)
{
    aead_seal(keys->body, counter, bytes_of(NULL, 0),
              datagram + CELL_BODY_OFFSET,
              len - CELL_BODY_OFFSET - NOISE_TAG_BYTES);
}

enum error cell_open_body(const struct cell_keys *keys, uint64_t counter,
                          uint8_t *datagram, size_t len)
{
    return aead_open(keys->body, counter, bytes_of(NULL, 0),
                     datagram + CELL_BODY_OFFSET,
                     len - CELL_BODY_OFFSET - NOISE_TAG_BYTES);
}

/* Whatever lies at the places that hold no counter is ciphertext, a tag or
 * padding, and independent: one mask does for all. */
void cell_mask(const struct cell_keys *keys, uint64_t counter,
               uint8_t *datagram, size_t len)
{
    uint8_t text[8], mask[crypto_shorthash_BYTES];
    uint8_t *field = datagram + len - ONION_COUNTER_BYTES;

    static_assert(sizeof(mask) == ONION_COUNTER_BYTES, "a counter's worth");
    bytes_put_number(text, 8, counter);
    crypto_shorthash(mask, text, sizeof(text), keys->mask);
    for (size_t depth = 1; depth <= ONION_HOPS_MAX; depth++) {
        for (size_t i = 0; i < ONION_COUNTER_BYTES; i++)
            field[i] ^= mask[i];
        field -= ONION_LAYER_BYTES;
    }
}
