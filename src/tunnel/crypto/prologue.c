/* SPDX-License-Identifier: MIT
 *
 * The prologue as bytes. It is the one place that puts protocol, version,
 * purpose and network into a handshake: a new purpose is a new text, and needs
 * nothing here.
 */
#include "tunnel/crypto/prologue.h"

#include "tunnel/crypto/layout.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>

#define PROLOGUE_MAX 128

void prologue_init_noise(struct noise *n, const char *purpose,
                         const char *network, const uint8_t identity[32],
                         const uint8_t responder_static[NOISE_KEY_BYTES])
{
    uint8_t buf[PROLOGUE_MAX];
    struct mp_writer w;

    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 5);
    mp_write_text(&w, "warren");
    mp_write_uint(&w, TUNNEL_VERSION);
    mp_write_text(&w, purpose);
    mp_write_text(&w, network);
    mp_write_bin(&w, bytes_of(identity, 32));
    assert(w.err == OK);
    noise_init(n, mp_writer_bytes(&w), responder_static);
}
