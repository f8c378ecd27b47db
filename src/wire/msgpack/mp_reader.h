/* SPDX-License-Identifier: MIT
 *
 * Reads msgpack in two steps. mp_parse checks that the bytes are exactly one
 * well-formed object within the limits and lays its parts on a tape of the
 * caller's, allocating nothing. A reader then walks the tape; its first
 * failure sticks, so that a whole message is read and `err` looked at once.
 *
 * str and bin are read alike, as byte strings: KRPC knows only those.
 */
#ifndef WARREN_WIRE_MSGPACK_MP_READER_H
#define WARREN_WIRE_MSGPACK_MP_READER_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MP_DEPTH_MAX 16

enum mp_type {
    MP_NIL,
    MP_BOOL,
    MP_UINT, /* any integer >= 0 */
    MP_INT,  /* an integer < 0 */
    MP_DOUBLE,
    MP_STR,
    MP_BIN,
    MP_ARRAY, /* count elements follow on the tape */
    MP_MAP    /* count pairs follow */
};

struct mp_token {
    uint8_t type;   /* enum mp_type */
    uint32_t count; /* bytes of a string, elements or pairs of a container */
    union {
        const uint8_t *p; /* of a string: into the parsed bytes */
        uint64_t u;
        int64_t i;
        double d;
        bool b;
    } as;
};

struct mp_tape {
    struct mp_token *tokens; /* the caller's */
    size_t cap;
    size_t count;
};

/* Fills the tape from `in`, which must outlive it. At most MP_DEPTH_MAX
 * containers are nested. Errors: ERR_NOT_MSGPACK (also for ext types),
 * ERR_TRAILING, ERR_TOO_DEEP, ERR_TOO_LARGE (the tape is full). */
enum error mp_parse(struct mp_tape *tape, struct bytes in);

/* The same for the first object of a stream: `used` gets its length, and
 * ERR_MISSING says that it is not whole yet. */
enum error mp_parse_first(struct mp_tape *tape, struct bytes in, size_t *used);

struct mp_reader {
    const struct mp_token *at;
    const struct mp_token *end;
    enum error err; /* OK, ERR_WRONG_TYPE, ERR_TOO_LARGE, ERR_RANGE,
                       ERR_WRONG_LENGTH, ERR_MISSING (past the end), what
                       parsing gave, or what the caller failed it with */
};

void mp_reader_init(struct mp_reader *r, const struct mp_tape *tape);
/* Parses all of `in`, or the first object of it, and reads that. */
void mp_reader_parse(struct mp_reader *r, struct mp_tape *tape,
                     struct bytes in);
void mp_reader_parse_first(struct mp_reader *r, struct mp_tape *tape,
                           struct bytes in, size_t *used);
/* The same where nothing but zeros may follow the object, else ERR_TRAILING:
 * a message in a frame that is longer than it. */
void mp_reader_parse_padded(struct mp_reader *r, struct mp_tape *tape,
                            struct bytes in);

/* The type of the next object; MP_NIL at the end or after a failure. */
enum mp_type mp_peek(const struct mp_reader *r);

/* Each takes the next object. After a failure they return 0 / empty. */
uint32_t mp_read_map(struct mp_reader *r, uint32_t max);
uint32_t mp_read_array(struct mp_reader *r, uint32_t max);
void mp_read_nil(struct mp_reader *r);
bool mp_read_bool(struct mp_reader *r);
uint64_t mp_read_uint(struct mp_reader *r, uint64_t max);
int64_t mp_read_int(struct mp_reader *r);   /* int64_t range */
double mp_read_double(struct mp_reader *r); /* integers are taken too */
struct bytes mp_read_bytes(struct mp_reader *r, size_t min, size_t max);
/* Exactly `len` bytes, copied to `out`; `out` is untouched on failure. */
void mp_read_fixed(struct mp_reader *r, uint8_t *out, size_t len);

/* The next object with all that is in it. */
void mp_skip(struct mp_reader *r);

/* Records the first failure; for checks that the caller makes itself. */
void mp_fail(struct mp_reader *r, enum error err);

#endif
