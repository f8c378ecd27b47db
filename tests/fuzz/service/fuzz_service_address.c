/* SPDX-License-Identifier: MIT
 *
 * Addresses of services. Arbitrary text is read, and what is taken prints as
 * itself; then the first 32 bytes are made an address of, which is taken just
 * when they are the key of a service.
 */
#include "fuzz.h"

#include "tunnel/record/address.h"
#include "tunnel/record/blind.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define NETWORK "test"

static void check_taken(const uint8_t key[32])
{
    char text[ADDRESS_TEXT_SIZE];
    uint8_t back[32];

    assert(blind_check_key(key) == OK);
    address_print(NETWORK, key, text);
    assert(address_read(NETWORK, bytes_of_text(text), back) == OK);
    assert(memcmp(key, back, sizeof(back)) == 0);
    assert(address_read("main", bytes_of_text(text), back) == ERR_NETWORK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[ADDRESS_TEXT_SIZE];
    uint8_t key[32] = {0};
    enum error e;

    assert(sodium_init() >= 0);
    e = address_read(NETWORK, bytes_of(data, size), key);
    assert(address_error_text(e) != NULL);
    assert(address_is(bytes_of(data, size)) == (e != ERR_MISSING));
    if (e == OK)
        check_taken(key);
    memcpy(key, data, size < sizeof(key) ? size : sizeof(key));
    address_print(NETWORK, key, text);
    e = address_read(NETWORK, bytes_of_text(text), key);
    assert(e == blind_check_key(key));
    return 0;
}
