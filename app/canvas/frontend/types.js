// Shapes that several modules hand to each other; nothing runs here.

/** @typedef {{x: number, y: number}} Point in pixels of the image, unless it says otherwise */
/** @typedef {{x: number, y: number}} Pixel whole numbers */

/** @typedef {import('./picture.js').Picture | import('./image_tiles.js').TiledPicture} AnyPicture in few bitmaps, or in tiles */

/**
 * An image of the queue, as the server describes it.
 * @typedef {object} Item
 * @property {number} image_id
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {string} image_url its pixels; of an image above 16 megapixels the overview, which is smaller
 * @property {string | null} tiles_url of a large image, to be followed by `/level/column/row`; level 0 is the
 *   image in full, each further one half as wide and high (halves rounded up)
 * @property {number | null} tile_side pixels of a tile; those at the right and the bottom are smaller
 * @property {number | null} tile_levels levels of a large image; the last is a single tile
 * @property {string | null} source_url of an image of more than 8 bits or three colours: the view of its values,
 *   to be followed by `?channel=0,1,2&low=&high=&gamma=`; a large one comes in the size of the overview
 * @property {string | null} source_tiles_url as `tiles_url`, with the query of a view behind the tile
 * @property {string | null} channels_url JSON of each channel's range, window, percentiles and histogram
 * @property {string[] | null} channels names of the channels behind `source_url`
 * @property {string} label_url
 * @property {string} superpixels_url
 * @property {number} revision newest revision of its label map, 0 when there is none
 * @property {'draft' | 'submitted' | 'approved' | null} status
 * @property {string | null} author
 * @property {'pool' | 'train' | 'audit' | 'excluded'} split
 * @property {boolean} is_audit no suggestion is shown, so that the label can measure the model
 * @property {string | null} suggestion_url
 * @property {string | null} uncertainty_url
 * @property {number | null} suggestion_round_id id of the round that the suggestion is of
 * @property {number | null} ranking_round_number of the round that the order, the rank and the reason are of
 * @property {number | null} suggestion_round_number number of the round that the suggestion is of
 * @property {number | null} rank
 * @property {string} why
 * @property {[number, number] | null} unsure_of a class and the one the model takes it for
 * @property {string | null} alike_url the Queue page with the images most like this one
 * @property {boolean} has_truth
 */

/**
 * How far the project is.
 * @typedef {object} Progress
 * @property {number} images
 * @property {number} pool
 * @property {number} train
 * @property {number} audit images drawn for it, labelled or not
 * @property {number} excluded
 * @property {number} labelled
 * @property {number} audit_labelled
 * @property {number | null} current_round_number
 * @property {number | null} suggesting_round_number of a round that suggests already, and still scores other images
 * @property {{ready: boolean, reason: string, changed: number, needed: number}} next_round
 * @property {{number: number, state: string, step: number, steps: number, eta_seconds: number | null,
 *   note: string | null} | null} round the one at work
 * @property {string} [class_version] changes with the classes; not in the answers to saves
 */

/**
 * What the session asks of the screen.
 * @typedef {object} Screen
 * @property {(view: View | null, keepView?: boolean) => void} show an image; null for none, while the one that goes is
 *   still the session's
 * @property {() => void} refresh something beside the pixels changed
 * @property {() => void} news so did what the person did not ask for
 * @property {(act: () => void) => void} atRest do what would end a stroke, once none is under way
 * @property {(rectangle: import('./rectangle.js').Rectangle) => void} repaint pixels of the shown image changed
 * @property {(image: Arriving, isAwaited?: boolean) => void} prepare an image that is likely to be shown next, or for
 *   which the person waits
 * @property {Notice} notice one sentence that goes away by itself
 * @property {(question: Question) => Promise<string>} ask a question that must be answered
 */

/** @typedef {'quiet' | 'good' | 'warning'} Tone */
/** @typedef {(text: string, tone?: Tone) => void} Notice shows one sentence that goes away by itself */

/**
 * What only a person can decide.
 * @typedef {object} Question
 * @property {'conflict' | 'held' | 'refused' | 'nothing-labelled' | 'other-picture'} kind
 * @property {import('./open_image.js').OpenImage} image
 * @property {string | null} [author] of the revision that stands against this label map
 * @property {boolean} [isOwn] that revision is this person's too, from another tab or machine
 * @property {number | null} [revision]
 * @property {string | null} [heldBy] who has the image now
 * @property {string} [message] the server's sentence
 */

/**
 * Everything that the editor needs of one item, decoded.
 * @typedef {object} Loaded
 * @property {Item} item
 * @property {AnyPicture} picture
 * @property {string} query of the view that the picture is in
 * @property {Uint8Array} pixels the label map
 * @property {number} revision of the label map
 * @property {string | null} status of the label map
 * @property {string | null} request id of the request that brought the label map
 * @property {Uint8Array | null} suggestion
 * @property {import('./transport.js').Uncertainty | null} uncertainty
 */

/**
 * An image to be shown soon; its picture may be still under way.
 * @typedef {Omit<Loaded, 'picture' | 'query'> & {picture?: Loaded['picture']}} Arriving
 */

/**
 * What Python hands over.
 * @typedef {object} ComponentData
 * @property {number} project_id
 * @property {string} annotator
 * @property {import('./palette.js').LabelClass[]} classes
 * @property {string} class_version as in {@link Progress}
 * @property {Record<string, string>} project_names of all projects, by their ids
 * @property {number | null} open_image picked by hand
 * @property {boolean} demo some images have a known truth
 */

/**
 * An image on the screen.
 * @typedef {{image: import('./open_image.js').OpenImage,
 *   picture: AnyPicture,
 *   query: string,
 *   uncertainty: import('./transport.js').Uncertainty | null}} View
 */

/**
 * A label map on its way to the server.
 * @typedef {object} SaveRequest
 * @property {number} imageId
 * @property {string} picture address of the picture that was painted on
 * @property {number} revision that it stands on
 * @property {'draft' | 'submitted'} status
 * @property {string} submission id, by which the server knows a request that comes again
 * @property {Uint8Array<ArrayBuffer>} bytes run lengths
 * @property {number} edits changes that it holds
 * @property {number} seconds that the person worked on it
 * @property {number | null} round whose suggestion was shown
 * @property {boolean} blind no suggestion was shown
 */

/**
 * The server's JSON when it took a label map, and when it refused something.
 * @typedef {{revision: number, status: string, split: Item['split'], progress?: Progress, items?: Item[]}} Saved
 * @typedef {{error?: string, held_by?: string | null, author?: string | null, revision?: number}} Refusal
 */

/** @typedef {ReturnType<import('./shown.js').shownOf>} Shown what the controls show */
/**
 * What tests and measurements ask for.
 * @typedef {{paints: number, mounts: number, saves: number, shownAt: number}} Counters
 */

/**
 * Do what a key or a button asks for: one of the commands in keys.js, or one that only buttons have.
 * @typedef {(command: string, detail?: CommandDetail) => void} Run
 */

/**
 * @typedef {object} CommandDetail
 * @property {number} [classIndex] else the chosen class
 * @property {Point} [at] where on the image, else where the cursor is
 */

export {};
