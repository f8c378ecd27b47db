/* SPDX-License-Identifier: MIT
 *
 * What comes cut: messages in pieces, of several circuits under one budget, and
 * large cells in halves. The input says which come, in what order, how long
 * they are and how much time passes. What is handed out was sent so; memory
 * stays within the budget, and at the end nothing of it is used.
 */
#include "fuzz.h"

#include "tunnel/circuit/piece.h"
#include "tunnel/link/part.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CIRCUITS 3

/* Each piece has its circuit, id and index in all of its bytes but the last. */
static uint8_t mark(unsigned circuit, uint16_t id, unsigned index)
{
    return (uint8_t)(circuit << 6 ^ (unsigned)id << 3 ^ index);
}

static void check_whole(struct bytes whole, unsigned circuit,
                        const struct piece *last)
{
    assert(piece_count(whole.len) == last->count);
    for (unsigned i = 0; i < last->count; i++) {
        struct piece p = piece_cut(whole, last->id, i);

        assert(p.index == i && p.count == last->count);
        for (size_t k = 0; k < p.bytes.len; k++)
            assert(p.bytes.p[k] == mark(circuit, last->id, i));
    }
}

static void take_piece(struct input *in, struct pieces *circuits,
                       struct piece_budget *budget, uint64_t now)
{
    uint8_t what = input_take(in), how = input_take(in), buf[PIECE_BYTES + 1];
    unsigned circuit = what % CIRCUITS;
    struct piece p = {.id = what >> 4 & 7,
                      .index = how & 7,
                      .count = (uint8_t)(1 + (how >> 4)),
                      .bytes = bytes_of(buf, PIECE_BYTES)};
    struct bytes whole = bytes_of(NULL, 0);

    if (how & 8)
        p.bytes.len = (size_t)input_take(in) * 5 % sizeof(buf);
    memset(buf, mark(circuit, p.id, p.index), sizeof(buf));
    if (pieces_receive(&circuits[circuit], budget, &p, now, &whole) == OK &&
        whole.len > 0)
        check_whole(whole, circuit, &p);
}

static void read_pieces(struct input *in)
{
    struct pieces circuits[CIRCUITS] = {0};
    struct piece_budget budget = {.max = (size_t)input_take(in) * 200};
    uint64_t now = TIME_HOUR;

    circuits[0].source = (struct endpoint){.addr = {66, 6, 6, 6}};
    while (in->left > 0) {
        uint8_t what = input_take(in);
        unsigned circuit = what >> 4 & 1;

        if (what % 8 == 0) {
            now += (uint64_t)input_take(in) * 50 * TIME_MS;
            if (pieces_next_deadline(&circuits[circuit]) <= now)
                pieces_tick(&circuits[circuit], &budget, now);
        } else if (what % 8 == 1) {
            pieces_deinit(&circuits[circuit], &budget);
        } else {
            take_piece(in, circuits, &budget, now);
        }
        assert(budget.used <= budget.max);
    }
    for (unsigned i = 0; i < CIRCUITS; i++)
        pieces_deinit(&circuits[i], &budget);
    piece_budget_deinit(&budget);
    assert(budget.used == 0);
}

static void read_halves(struct input *in)
{
    uint8_t cell[CELL_LARGE], datagram[PART_BYTES], whole[CELL_LARGE];
    struct parts parts = {0};
    struct part p;

    while (in->left > 0) {
        uint8_t n = input_take(in), how = input_take(in);

        memset(cell, n, sizeof(cell));
        cell[2] = 0xce; /* before the index and the counter */
        cell[7] = 0xcf;
        part_write(datagram, cell, how & 1);
        if (how & 2)
            datagram[input_take(in) % PART_OFFSET] ^= input_take(in);
        if (part_read(bytes_of(datagram, sizeof(datagram) - (how >> 7)), &p) !=
            OK)
            continue;
        assert(p.half <= 1 && p.bytes == datagram + PART_OFFSET);
        if (!parts_join(&parts, &p, whole))
            continue;
        assert(memcmp(whole + p.half * PART_HALF, p.bytes, PART_HALF) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    if (input_take(&in) & 1)
        read_pieces(&in);
    else
        read_halves(&in);
    return 0;
}
