/* SPDX-License-Identifier: MIT
 *
 * Base32 of exactly 35 bytes in 56 characters, so there is nothing to pad and
 * no bit is over: each key has one address, but for upper and lower case.
 */
#include "tunnel/record/address.h"

#include "tunnel/record/blind.h"
#include "tunnel/record/labelled_hash.h"

#include <string.h>

#define SUFFIX_CHARS  (sizeof(ADDRESS_SUFFIX) - 1)
#define CHECKSUM      2
#define ADDRESS_BYTES (BLIND_KEY_BYTES + CHECKSUM + 1)

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool address_is(struct bytes text)
{
    static const uint8_t suffix[] = ADDRESS_SUFFIX;

    if (text.len < SUFFIX_CHARS)
        return false;
    for (size_t i = 0; i < SUFFIX_CHARS; i++)
        if (lower(text.p[text.len - SUFFIX_CHARS + i]) != suffix[i])
            return false;
    return true;
}

/* The label before the suffix. */
static struct bytes last_label(struct bytes text)
{
    size_t end = text.len - SUFFIX_CHARS, begin = end;

    while (begin > 0 && text.p[begin - 1] != '.')
        begin--;
    return bytes_of(text.p + begin, end - begin);
}

/* 8 characters are 5 bytes. */
static enum error decode(const uint8_t *text, uint8_t out[ADDRESS_BYTES])
{
    for (size_t i = 0; i < ADDRESS_CHARS / 8; i++) {
        uint64_t group = 0;

        for (size_t j = 0; j < 8; j++) {
            uint8_t c = lower(text[8 * i + j]);
            const char *at = c ? strchr(alphabet, c) : NULL;

            if (!at)
                return ERR_SYNTAX;
            group = group << 5 | (uint64_t)(at - alphabet);
        }
        bytes_put_number(out + 5 * i, 5, group);
    }
    return OK;
}

static void encode(const uint8_t in[ADDRESS_BYTES], char *text)
{
    for (size_t i = 0; i < ADDRESS_CHARS / 8; i++) {
        uint64_t group = bytes_get_number(in + 5 * i, 5);

        for (size_t j = 0; j < 8; j++)
            text[8 * i + j] = alphabet[group >> (35 - 5 * j) & 31];
    }
}

static void put_checksum(const char *network, const uint8_t key[32],
                         uint8_t version, uint8_t out[CHECKSUM])
{
    struct bytes parts[] = {bytes_of_text(network), bytes_of(key, 32),
                            bytes_of(&version, 1)};
    uint8_t hash[32];

    labelled_hash(hash, sizeof(hash), NULL, "warren address", parts, 3);
    memcpy(out, hash, CHECKSUM);
}

enum error address_read(const char *network, struct bytes text, uint8_t key[32])
{
    uint8_t raw[ADDRESS_BYTES], checksum[CHECKSUM];
    struct bytes label;
    enum error e;

    if (!address_is(text))
        return ERR_MISSING;
    label = last_label(text);
    if (label.len != ADDRESS_CHARS)
        return ERR_WRONG_LENGTH;
    e = decode(label.p, raw);
    if (e != OK)
        return e;
    put_checksum(network, raw, raw[ADDRESS_BYTES - 1], checksum);
    if (memcmp(checksum, raw + BLIND_KEY_BYTES, CHECKSUM) != 0)
        return ERR_NETWORK;
    if (raw[ADDRESS_BYTES - 1] != ADDRESS_VERSION)
        return ERR_UNSUPPORTED;
    e = blind_check_key(raw);
    if (e == OK)
        memcpy(key, raw, BLIND_KEY_BYTES);
    return e;
}

const char *address_error_text(enum error e)
{
    static const struct {
        enum error e;
        const char *text;
    } texts[] = {
        {ERR_MISSING, "an address ends in .warren"},
        {ERR_WRONG_LENGTH, "an address has 56 characters before .warren"},
        {ERR_SYNTAX, "an address has letters and the digits 2 to 7 only"},
        {ERR_NETWORK, "mistyped, or an address of another network"},
        {ERR_UNSUPPORTED, "an address of a later version of warren"},
        {ERR_RANGE, "an address that was made up: no service has this key"},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].e == e)
            return texts[i].text;
    return error_text(e);
}

const char *address_print(const char *network, const uint8_t key[32],
                          char text[ADDRESS_TEXT_SIZE])
{
    uint8_t raw[ADDRESS_BYTES];

    memcpy(raw, key, BLIND_KEY_BYTES);
    put_checksum(network, key, ADDRESS_VERSION, raw + BLIND_KEY_BYTES);
    raw[ADDRESS_BYTES - 1] = ADDRESS_VERSION;
    encode(raw, text);
    memcpy(text + ADDRESS_CHARS, ADDRESS_SUFFIX, sizeof(ADDRESS_SUFFIX));
    return text;
}
