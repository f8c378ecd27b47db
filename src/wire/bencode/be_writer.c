/* SPDX-License-Identifier: MIT
 *
 * Numbers are put together from their last digit, with what stands around them,
 * in a small buffer that is appended at once.
 */
#include "wire/bencode/be_writer.h"

#define DIGITS_MAX 20 /* of 2^64 - 1 */

/* The digits of `n` so that they end before `end`; returns the first. */
static uint8_t *put_digits(uint8_t *end, uint64_t n)
{
    do {
        *--end = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return end;
}

/* "i", a sign if there is one, digits, "e". */
static void write_integer(struct mp_writer *w, bool negative, uint64_t n)
{
    uint8_t buf[1 + 1 + DIGITS_MAX + 1];
    uint8_t *end = buf + sizeof(buf) - 1;
    uint8_t *p = put_digits(end, n);

    *end++ = 'e';
    if (negative)
        *--p = '-';
    *--p = 'i';
    mp_write_raw(w, bytes_of(p, (size_t)(end - p)));
}

void be_write_uint(struct mp_writer *w, uint64_t value)
{
    write_integer(w, false, value);
}

void be_write_int(struct mp_writer *w, int64_t value)
{
    write_integer(w, value < 0,
                  value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void be_write_bytes(struct mp_writer *w, struct bytes value)
{
    uint8_t buf[DIGITS_MAX + 1];
    uint8_t *end = buf + sizeof(buf) - 1;
    uint8_t *p = put_digits(end, value.len);

    *end++ = ':';
    mp_write_raw(w, bytes_of(p, (size_t)(end - p)));
    mp_write_raw(w, value);
}

static void write_letter(struct mp_writer *w, char letter)
{
    mp_write_raw(w, bytes_of(&letter, 1));
}

void be_open_list(struct mp_writer *w)
{
    write_letter(w, 'l');
}

void be_open_dictionary(struct mp_writer *w)
{
    write_letter(w, 'd');
}

void be_close(struct mp_writer *w)
{
    write_letter(w, 'e');
}
