/* SPDX-License-Identifier: MIT */
#include "sim/csv/csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum error read_all(FILE *f, char **text, size_t *len)
{
    size_t cap = 64 * 1024, n, size = 0;
    char *buf = malloc(cap), *bigger;

    while (buf != NULL && (n = fread(buf + size, 1, cap - size - 1, f)) > 0) {
        size += n;
        if (size > CSV_FILE_MAX) {
            free(buf);
            return ERR_TOO_LARGE;
        }
        if (size + 1 < cap)
            continue;
        cap *= 2;
        bigger = realloc(buf, cap);
        if (bigger == NULL)
            free(buf);
        buf = bigger;
    }
    if (buf == NULL)
        return ERR_NO_MEMORY;
    if (ferror(f)) {
        free(buf);
        return ERR_IO;
    }
    buf[size] = '\0';
    *text = buf;
    *len = size;
    return OK;
}

enum error csv_load(const char *file, char **text, size_t *len,
                    struct text *why)
{
    FILE *f = fopen(file, "re");
    enum error err = ERR_IO;

    if (f != NULL)
        err = read_all(f, text, len);
    if (err != OK) {
        int error = errno;

        text_addf(why, "%s: ", file);
        text_add(why, err == ERR_IO ? strerror(error) : error_text(err));
    }
    if (f != NULL)
        fclose(f);
    return err;
}
