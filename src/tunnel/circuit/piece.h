/* SPDX-License-Identifier: MIT
 *
 * A message that is longer than a cell carries is cut into pieces, and put
 * together again at the other end of the circuit:
 *
 *     PIECE [5, id, index, count, bytes]
 *
 * `id` counts the cut messages of one sender, `index` is below `count`, which
 * is 2 to PIECE_COUNT_MAX. Every piece but the last has PIECE_BYTES, so it is
 * known where each belongs and nothing can overlap. Pieces may come in any
 * order.
 *
 * The receiver keeps PIECE_MESSAGES_MAX unfinished messages of a circuit, for
 * PIECE_LIFETIME; one more takes the place of the oldest. What all circuits
 * of a node hold together is bounded by a budget that they share. There the
 * oldest makes room of whoever holds most (base/table/shares.h), among the
 * oldest PIECE_LOOK of all: who finishes nothing keeps it from nobody else,
 * however many circuits he has.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_PIECE_H
#define WARREN_TUNNEL_CIRCUIT_PIECE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/table/shares.h"
#include "base/timestamp.h"

#include <stddef.h>
#include <stdint.h>

#define PIECE_COUNT_MAX    8
#define PIECE_MESSAGES_MAX 4
#define PIECE_LIFETIME     (5 * TIME_S)
#define PIECE_LOOK         64

/* Of the message inside a large cell 10 go to the fields of PIECE in their
 * longest encoding. */
#define PIECE_OVERHEAD    10
#define PIECE_BYTES       1216
#define PIECE_MESSAGE_MAX (PIECE_COUNT_MAX * PIECE_BYTES)

struct piece {
    uint16_t id;
    uint8_t index, count;
    struct bytes bytes;
};

/* How many pieces a message of `len` bytes takes: 1 when it takes no cutting,
 * 0 above PIECE_MESSAGE_MAX. */
unsigned piece_count(size_t len);

/* Piece `index` of the message, a view of it; index < piece_count. */
struct piece piece_cut(struct bytes message, uint16_t id, unsigned index);

struct piece_message;

struct piece_budget {
    size_t max; /* bytes */
    size_t used;
    struct piece_message *oldest, *newest; /* of all circuits, unfinished */
    struct shares by;                      /* their sources */
    uint64_t given_up;                     /* messages that never got whole */
    uint8_t *whole;                        /* handed out last */
    size_t whole_cap;
};

struct piece_message {
    uint8_t *buf;                        /* NULL when the slot is free */
    struct piece_message *older, *newer; /* unless it is */
    size_t cap;
    uint16_t id;
    uint8_t count;
    uint8_t have;  /* a bit for each piece that came */
    size_t len;    /* known from the last piece on */
    uint64_t born; /* when the first piece came */
    struct endpoint source;
};

/* All zeros is empty. */
struct pieces {
    struct endpoint source; /* whose circuit it is; all zeros: our own */
    struct piece_message messages[PIECE_MESSAGES_MAX];
};

void piece_budget_init(struct piece_budget *budget, size_t max,
                       const struct random_source *random);
/* All messages have been dropped. */
void piece_budget_deinit(struct piece_budget *budget);

void pieces_deinit(struct pieces *p, struct piece_budget *budget);

/* Takes a piece. When it completes a message, `whole` becomes a view of that,
 * valid until the next call with `budget`; else it becomes empty. Errors:
 * ERR_RANGE (count or index), ERR_WRONG_LENGTH, ERR_UNEXPECTED (a piece that is
 * there already, or another count under the same id), ERR_FULL (more than the
 * whole budget), ERR_NO_MEMORY. */
enum error pieces_receive(struct pieces *p, struct piece_budget *budget,
                          const struct piece *piece, uint64_t now,
                          struct bytes *whole);

/* Gives up what is too old. */
void pieces_tick(struct pieces *p, struct piece_budget *budget, uint64_t now);
uint64_t pieces_next_deadline(const struct pieces *p);

/* Frees the whole message that was handed out last. */
void piece_budget_rest(struct piece_budget *budget);

#endif
