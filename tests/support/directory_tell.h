/* SPDX-License-Identifier: MIT
 *
 * Answers to the ASKs of a directory under test.
 */
#ifndef WARREN_TESTS_DIRECTORY_TELL_H
#define WARREN_TESTS_DIRECTORY_TELL_H

#include "directory_data.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline enum error tell_with(struct host *h, const struct endpoint *from,
                                   struct bytes nonce, struct bytes descriptor)
{
    struct link_message m = {
        .kind = LINK_TELL, .nonce = nonce, .descriptor = descriptor};

    return directory_receive_tell(h->d, from, &m, (uint64_t)h->wall, h->now);
}

/* Answers the last ASK that the host sent. */
static inline enum error tell(struct host *h, const struct endpoint *from,
                              struct bytes descriptor)
{
    struct link_message ask;

    assert_int_equal(
        link_message_read(bytes_of(h->datagram, h->datagram_len), &ask), OK);
    assert_int_equal(ask.kind, LINK_ASK);
    return tell_with(h, from, ask.nonce, descriptor);
}

/* ASKs relay `n` at its address, and answers with `d` signed by `signer`. */
static inline enum error ask_and_tell(struct host *h, unsigned n,
                                      const struct descriptor *d,
                                      unsigned signer)
{
    struct endpoint ep = test_relay_ep(n);
    uint8_t text[DESCRIPTOR_MAX];
    unsigned sent = h->sent;

    assert_int_equal(directory_ask(h->d, &ep, h->now), OK);
    host_tick(h);
    assert_true(h->sent > sent); /* after those that renew others */
    assert_true(endpoint_equal(&h->sent_to, &ep));
    return tell(h, &ep, bytes_of(text, test_descriptor_text(d, signer, text)));
}

#endif
