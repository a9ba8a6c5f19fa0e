/* Exceptions through frames of libc, and what is allocated on their way. */
#include <cstdlib>
#include <stdexcept>
#include <string>

static int compare(const void *a, const void *b)
{
	throw std::runtime_error(std::to_string(*static_cast<const int *>(a) +
						*static_cast<const int *>(b)));
}

extern "C" int plugin_throw(int number)
{
	int values[2] = {number - 10, 10};

	try {
		qsort(values, 2, sizeof(*values), compare);
	} catch (const std::exception &e) {
		return std::atoi(e.what());
	}
	return -1;
}
