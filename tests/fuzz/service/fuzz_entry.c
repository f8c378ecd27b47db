/* SPDX-License-Identifier: MIT
 *
 * Entries of members, by the first byte: 0, as an introduction point gives
 * them; else the text inside, as somebody who knows the string can make it.
 * What is taken can be sealed and opened again to the same.
 */
#include "fuzz.h"

#include "tunnel/record/entry.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define TEXT 41

static const uint8_t entry_key[32] = {7};
static const struct entry_place place = {{1}, {2}, {3}};

static void check_taken(const struct entry *e)
{
    static const uint8_t nonce[ENTRY_NONCE_BYTES];
    uint8_t sealed[ENTRY_BYTES];
    struct entry back;

    assert(e->flags <= ENTRY_FLAGS_MAX);
    (void)entry_check_time(e, 1800000000);
    assert(entry_check_time(e, e->issued) == OK);
    entry_seal(entry_key, &place, e, nonce, sealed);
    assert(entry_open(entry_key, &place, bytes_of(sealed, sizeof(sealed)),
                      &back) == OK);
    assert(memcmp(e->member, back.member, sizeof(back.member)) == 0);
    assert(e->issued == back.issued && e->flags == back.flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t text[TEXT] = {0}, sealed[ENTRY_BYTES] = {0};
    struct bytes in = bytes_of(sealed, sizeof(sealed));
    struct entry e;

    assert(sodium_init() >= 0);
    if (size == 0)
        return 0;
    if (data[0] == 0) {
        in = bytes_of(data + 1, size - 1);
    } else {
        memcpy(text, data + 1, size - 1 < TEXT ? size - 1 : TEXT);
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            sealed + ENTRY_NONCE_BYTES, NULL, text, TEXT,
            (const uint8_t *)&place, sizeof(place), NULL, sealed, entry_key);
    }
    if (entry_open(entry_key, &place, in, &e) == OK)
        check_taken(&e);
    return 0;
}
