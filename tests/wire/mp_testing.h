/* SPDX-License-Identifier: MIT
 *
 * A tape and its reader in one, for the tests of the msgpack cursor.
 */
#ifndef WARREN_TESTS_MP_TESTING_H
#define WARREN_TESTS_MP_TESTING_H

#include "wire/msgpack/mp_reader.h"

#include <assert.h>

#define TOKENS 256

struct parsed {
    struct mp_token tokens[TOKENS];
    struct mp_tape tape;
    struct mp_reader r;
};

static inline enum error parse(struct parsed *p, struct bytes in)
{
    enum error err;

    p->tape = (struct mp_tape){.tokens = p->tokens, .cap = TOKENS};
    err = mp_parse(&p->tape, in);
    mp_reader_init(&p->r, &p->tape);
    return err;
}

static inline void must_parse(struct parsed *p, struct bytes in)
{
    enum error err = parse(p, in);

    assert(err == OK);
}

#endif
