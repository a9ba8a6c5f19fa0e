/*
 * Finding and opening the file that a process has mapped: at its path, under the process's own
 * root, through its mapping, in its memory. For image.c.
 */
#ifndef LOCKJAM_IMAGE_OPEN_H
#define LOCKJAM_IMAGE_OPEN_H

#include "collector/symbol/image.h"

#define IMAGE_FOREIGN_MAX (256 << 20) /* bytes of a file that belongs to neither root nor us */

/* A descriptor of a regular file that is not empty, or a negative errno. Waits for nothing. */
int image_open_regular(const char *path);

/*
 * Fills elf, low and high of an image that has no file yet, or problem. proc NULL: no live process;
 * sysroot stands before paths, without a slash at its end.
 */
void image_open(struct image *image, const struct image_request *r, const struct proc *proc,
		const char *sysroot);
/* Gives back what image_open() and image_module() took; the image stays. */
void image_close(struct image *image);

#endif
