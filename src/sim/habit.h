/* SPDX-License-Identifier: MIT
 *
 * What old clients of the mainline DHT do, in front of an engine that does as
 * it should: messages are changed on their way in and out, or answered in its
 * place.
 */
#ifndef WARREN_SIM_HABIT_H
#define WARREN_SIM_HABIT_H

#include "base/bytes.h"
#include "wire/krpc/dht_message.h"

#include <stdint.h>

/* Bits. */
enum sim_habit {
    SIM_HABIT_VALUES_ALONE = 1,  /* where it has peers it names no nodes */
    SIM_HABIT_BASIC = 2,         /* knows BEP 5 alone: error 204 to all else */
    SIM_HABIT_SILENT = 4,        /* the same, without an answer */
    SIM_HABIT_ANY_ID = 8,        /* its id does not follow its address */
    SIM_HABIT_NO_IP = 16,        /* tells nobody his address */
    SIM_HABIT_NO_TOKEN = 32,     /* gives no token, so takes no peers */
    SIM_HABIT_NO_IMPLIED = 64,   /* takes the port that is said, always */
    SIM_HABIT_NO_WANT = 128,     /* names nodes of the family of the query */
    SIM_HABIT_NO_READ_ONLY = 256 /* takes who is read-only into its table */
};

/* What comes in: the datagram, or what the engine is to get instead, in `buf`;
 * empty: nothing. Then `answer` may have what is to be sent back, else it is
 * empty too; it is in `buf`. */
struct bytes sim_habit_in(unsigned habits, struct bytes datagram,
                          uint8_t buf[DHT_MESSAGE_MAX], struct bytes *answer);
/* What goes out, likewise. */
struct bytes sim_habit_out(unsigned habits, struct bytes datagram,
                           uint8_t buf[DHT_MESSAGE_MAX]);

#endif
